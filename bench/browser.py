"""How fast the app is in a real browser, beside the limits set for it.

    python -m bench.browser

Starts Chromium, and servers of its own over copies of what ships; takes three minutes. Quote its
figures from an idle machine. Compare is measured with 400 runs of a user's own: they are copies of
the study's.
"""

import contextlib
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
PAGES = ("Data", "Compare", "Study", "Train", "Generate")
CURVES = ".st-key-curves-chart svg .mark-line path"
LINE = ".st-key-loss-chart .mark-line path"
POINT_DRAWN = "line => document.querySelector(line)?.getAttribute('d')?.includes('L')"


def row(what: str, value: float, limit: float) -> None:
    """Print seconds beside their limit."""
    print(f"{what:<52} {value:8.2f} s  ≤ {limit:g}  {'' if value <= limit else 'MISSED'}")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextlib.contextmanager
def server(runs_dir: Path, datasets_dir: Path | None = None) -> Iterator[str]:
    """A fresh server over some runs; gives its address."""
    process, url = serve(runs_dir, datasets_dir)
    try:
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def app(browser: Browser, runs_dir: Path) -> Iterator[tuple[Page, str]]:
    """A page of a fresh browser, and the address of a fresh server over a copy of what ships."""
    shutil.copytree(ROOT / "checkpoints", runs_dir)
    started_at = time.perf_counter()
    with server(runs_dir) as url:
        row("the server answers, from its command on", time.perf_counter() - started_at, 4)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        yield context.new_page(), url
        context.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        os.environ["LM_CACHE"] = f"{folder}/programs"  # as on a machine that has trained nothing
        for name, limit in (("to be made", 10), ("there", 6)):
            with app(browser, Path(folder, name)) as (tab, url):
                pressed_at = first_visit(tab, url, 0)
                tab.get_by_text("complete", exact=True).first.wait_for(timeout=60_000)
                what = f"first model, its program {name}: scored"
                row(what, time.perf_counter() - pressed_at, limit)
        runs_dir = Path(folder, "first")
        with app(browser, runs_dir) as (tab, url):
            first_visit(tab, url, reads_for=3)
            tab.get_by_text("complete", exact=True).first.wait_for(timeout=60_000)
            while_training(tab, url, RunStore(runs_dir))
        runs_dir = Path(folder, "second")
        with app(browser, runs_dir) as (tab, url):
            compare(tab, url, add_own_runs(runs_dir, 400))


def first_visit(tab: Page, url: str, reads_for: float) -> float:
    """From the first request to a server until the first point of a first model's curve.

    The button is pressed `reads_for` seconds after it appears. Returns the time of that press.
    """
    started_at = time.perf_counter()
    tab.goto(url)
    tab.get_by_role("heading", level=1).wait_for()
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


def at_95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def while_training(tab: Page, url: str, store: RunStore) -> None:
    """How the page answers while a model trains that takes longer than all this."""
    tab.goto(f"{url}/train?budget=1e12")
    tab.locator(".st-key-start button").click()
    tab.wait_for_function(POINT_DRAWN, arg=LINE)
    presses = key_presses(tab, 20)
    row("a control that computes: 95th percentile", at_95(presses), 0.6)
    for name in PAGES:
        started_at = time.perf_counter()
        tab.get_by_role("link", name=name, exact=True).click()
        tab.get_by_role("heading", level=1, name=name).wait_for()
        row(f"page switch: to {name}", time.perf_counter() - started_at, 1.5)
    bars = tab.locator(".st-key-bars-0 table").first
    weighed = latencies(tab, ".st-key-temperature input", bars, 20)
    row("a control that only shows: 95th percentile", at_95(weighed), 0.1)
    assert any(run.state == "running" for run in store.list()), "The run has ended too early."


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


if __name__ == "__main__":
    main()
