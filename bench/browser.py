"""How fast the app is in a real browser, beside the limits set for it.

    python -m bench.browser

Starts Chromium, and servers of its own over copies of what ships; takes three minutes. Quote its
figures from an idle machine. Compare is measured with 400 runs of a user's own: they are copies of
the study's.
"""

import contextlib
import functools
import itertools
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from lm.runs import STUDY, RunStore
from lm.runs.archive import pack, unpack
from tests.pages.conftest import ARGUMENTS, serve
from tests.pages.test_first_minute import key_presses, latencies

ROOT = Path(__file__).parents[1]
LONG = "budget=1e12"
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


def at_95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


@contextlib.contextmanager
def app(browser: Browser, runs_dir: Path) -> Iterator[tuple[Page, str]]:
    """A fresh server over some runs: a page of a fresh browser, and the server's address."""
    started_at = time.perf_counter()
    process, url = serve(runs_dir)
    row("the server answers, from its command on", time.perf_counter() - started_at, 4)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        yield context.new_page(), url
    finally:
        context.close()
        process.terminate()
        process.wait(20)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        names = ("hasty", "again", "first", "second")
        hasty, again, first, second = (Path(folder) / name for name in names)
        for runs_dir in (hasty, again, first, second):
            shutil.copytree(ROOT / "checkpoints", runs_dir)
        os.environ["LM_CACHE"] = f"{folder}/programs"  # as on a machine that has trained nothing
        with app(browser, hasty) as (tab, url):
            scored(tab, "first model, its program to be made: scored", first_visit(tab, url, 0), 10)
        with app(browser, again) as (tab, url):
            scored(tab, "first model, its program there: scored", first_visit(tab, url, 0), 6)
        with app(browser, first) as (tab, url):
            first_visit(tab, url, reads_for=3)
            tab.get_by_text("complete", exact=True).first.wait_for(timeout=60_000)
            while_training(tab, url, RunStore(first))
        run_ids = add_own_runs(second, 400)
        with app(browser, second) as (tab, url):
            compare(tab, url, run_ids)
        browser.close()


def first_visit(tab: Page, url: str, reads_for: float) -> float:
    """From the first request to a server until the first point of a first model's curve.

    `reads_for`: seconds from when the button is there until it is pressed. Returns the time of that
    by `time.perf_counter`.
    """
    started_at = time.perf_counter()
    tab.goto(url)
    heading(tab)
    row("cold server: heading", time.perf_counter() - started_at, 1.5)
    button = tab.get_by_role("button", name="Train your first model")
    button.wait_for()
    row("cold server: the button", time.perf_counter() - started_at, 3)
    time.sleep(reads_for)
    started_at = time.perf_counter()
    button.click()
    tab.wait_for_function(POINT_DRAWN, arg=LINE)
    what = f"click after {reads_for} s of reading: first point"
    row(what, time.perf_counter() - started_at, 2)
    return started_at


def scored(tab: Page, what: str, pressed_at: float, limit: float) -> None:
    """From the press of the button until the page says that the model is complete."""
    tab.get_by_text("complete", exact=True).first.wait_for(timeout=60_000)
    row(what, time.perf_counter() - pressed_at, limit)


def while_training(tab: Page, url: str, store: RunStore) -> None:
    """How the page answers while a model trains that takes longer than all this."""
    tab.goto(f"{url}/train?{LONG}")
    tab.locator(".st-key-start button").click()
    tab.wait_for_function(POINT_DRAWN, arg=LINE)
    presses = key_presses(tab, 20)
    row("a control that computes: 95th percentile", at_95(presses), 0.6)
    tab.evaluate(COUNT_UPDATES, LINE)
    time.sleep(5)
    updates = tab.evaluate("window.updates")
    gaps = [b - a for a, b in itertools.pairwise(updates)]
    row("chart updates in 5 s of training", len(updates), 3.7, "", least=True)
    row("longest gap between them", max(gaps, default=0) / 1000, 2.5)
    row("the chart stays one DOM node", tab.evaluate("window.kept()"), 1, "", least=True)

    def switch(name: str) -> None:
        tab.get_by_role("link", name=name, exact=True).click()
        heading(tab, name)

    switches = {name: seconds(functools.partial(switch, name)) for name in PAGES}
    for name, taken in switches.items():
        row(f"page switch: to {name}", taken, 1.5)
    switch("Generate")
    bars = tab.locator(".st-key-bars-0 table").first
    weighed = latencies(tab, ".st-key-temperature input", bars, 20)
    row("a control that only shows: 95th percentile", at_95(weighed), 0.1)
    going = any(run.state == "running" for run in store.list())
    row("the run trains on, after all that", going, 1, "", least=True)


def add_own_runs(runs_dir: Path, n: int) -> list[str]:
    """Copy runs of the study as if a person had trained them; returns their ids."""
    runs = sorted(RunStore(ROOT / "checkpoints" / STUDY).list(), key=lambda run: run.run_id)
    return [unpack(pack(run), RunStore(runs_dir)).run_id for run in runs[:n]]


def compare(tab: Page, url: str, run_ids: list[str]) -> None:
    """The Compare page with all that ships and many own runs, and with 60 of them selected."""
    tab.goto(url)
    tab.get_by_role("button", name="Train your first model").wait_for()
    for visit in ("first", "second"):
        what = f"Compare, {len(run_ids)} own runs, {visit} visit"
        started_at = time.perf_counter()
        tab.goto(f"{url}/compare")
        tab.locator(".st-key-frontier-chart svg .mark-line path").first.wait_for()
        row(f"{what}: first chart", time.perf_counter() - started_at, 2)
        tab.locator(CURVES).first.wait_for()
        row(f"{what}: last chart", time.perf_counter() - started_at, 4)
    tab.goto(f"{url}/compare?checked={','.join(run_ids[:60])}")
    tab.wait_for_function(f"document.querySelectorAll('{CURVES}').length >= 60")
    table = tab.locator(".st-key-runs-table canvas").first
    table.evaluate("table => table.scrollIntoView({block: 'center'})")
    tab.wait_for_timeout(1000)
    box = table.bounding_box()
    assert box is not None
    taken = []
    for _ in range(5):
        before = tab.locator(CURVES).count()
        started_at = time.perf_counter()
        tab.mouse.click(box["x"] + 18, box["y"] + 52)
        tab.wait_for_function(f"document.querySelectorAll('{CURVES}').length !== {before}")
        taken.append(time.perf_counter() - started_at)
    row("60 selected, one more or less: all charts", max(taken), 1)


CURVES = ".st-key-curves-chart svg .mark-line path"
PAGES = ("Data", "Compare", "Study", "Generate", "Train")

if __name__ == "__main__":
    main()
