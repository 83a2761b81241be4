"""How fast the app is in a real browser, beside the limits set for it.

    python -m bench.browser

Starts a server of its own over a copy of the shipped runs, and Chromium; takes about a minute.
Quote its figures from an idle machine.
"""

import functools
import itertools
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from lm.runs import RunStore
from tests.pages.conftest import ARGUMENTS, serve
from tests.pages.test_first_minute import key_presses

ROOT = Path(__file__).parents[1]
LINE = ".st-key-loss-chart .mark-line path"
POINT_DRAWN = "line => document.querySelector(line)?.getAttribute('d')?.includes('L')"
COUNT_UPDATES = """line => {
    const svg = document.querySelector('.st-key-loss-chart svg');
    window.updates = [];
    let last = '';
    setInterval(() => {
        const now = document.querySelector(line)?.getAttribute('d');
        if (now && now !== last) { last = now; window.updates.push(performance.now()); }
    }, 20);
    window.kept = () => document.querySelector('.st-key-loss-chart svg') === svg;
}"""


def row(what: str, value: float, limit: float, unit: str = "s", least: bool = False) -> None:
    """Print a measurement beside its limit: the most it may be or, with `least`, the least."""
    kept = value >= limit if least else value <= limit
    sign = "≥" if least else "≤"
    print(f"{what:<52} {value:8.2f} {unit:<3} {sign} {limit:g}  {'' if kept else 'MISSED'}")


def seconds(action) -> float:
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def heading(tab: Page, name: str | None = None) -> None:
    tab.get_by_role("heading", level=1, name=name).wait_for()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        runs_dir = Path(folder) / "runs"
        for shipped in (ROOT / "checkpoints").glob("shipped-*"):
            shutil.copytree(shipped, runs_dir / shipped.name)
        process, url = serve(runs_dir)
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            measure(browser.new_page(viewport={"width": 1280, "height": 900}), url, runs_dir)
        finally:
            browser.close()
            process.terminate()
            process.wait(20)


def measure(tab: Page, url: str, runs_dir: Path) -> None:
    started_at = time.perf_counter()
    tab.goto(url)
    heading(tab)
    row("cold start: heading", time.perf_counter() - started_at, 4)
    tab.locator(".text .token").first.wait_for()
    row("cold start: coloured sample", time.perf_counter() - started_at, 6)
    row("warm start: heading", seconds(lambda: (tab.reload(), heading(tab))), 1.5)

    button = tab.get_by_role("button", name="Train your first model")
    button.wait_for()
    started_at = time.perf_counter()
    button.click()
    tab.wait_for_function(POINT_DRAWN, arg=LINE)
    row("first model: first point", time.perf_counter() - started_at, 3)

    presses = key_presses(tab)
    row("slider while training: 95th percentile", statistics.quantiles(presses, n=20)[-1], 0.6)
    tab.evaluate(COUNT_UPDATES, LINE)
    time.sleep(10)
    updates = tab.evaluate("window.updates")
    gaps = [b - a for a, b in itertools.pairwise(updates)]
    row("chart updates in 10 s of training", len(updates), 7.5, "", least=True)
    row("longest gap between them", max(gaps, default=0) / 1000, 2.5)
    row("the chart stays one DOM node", tab.evaluate("window.kept()"), 1, "", least=True)

    def switch(name: str) -> None:
        tab.get_by_role("link", name=name, exact=True).click()
        heading(tab, name)

    switches = [seconds(functools.partial(switch, name)) for name in PAGES]
    row("page switch while training", max(switches), 1.5)

    run = next(run for run in RunStore(runs_dir).list() if not run.shipped)
    while run.state == "running":
        time.sleep(0.2)
        run = run.reload()
    row("first model: training", run.status.seconds, 30)


PAGES = ("Data", "Compare", "Generate", "Train")

if __name__ == "__main__":
    main()
