"""A stranger's first minute: the shipped runs, no corpora, no network, one click after another."""

import shutil
import statistics
import time
from pathlib import Path

import pytest

from lm.runs import RunStore
from tests.pages.conftest import serve

ROOT = Path(__file__).parents[2]
LIMIT = 5  # times the figure that bench/browser.py is held to


@pytest.fixture
def fresh(tmp_path: Path):
    """A fresh server over a copy of the shipped runs: its URL and its store."""
    runs_dir = tmp_path / "runs"
    for shipped in (ROOT / "checkpoints").glob("shipped-*"):
        shutil.copytree(shipped, runs_dir / shipped.name)
    process, url = serve(runs_dir)
    yield url, RunStore(runs_dir)
    process.terminate()
    process.wait(20)


def test_the_first_minute(fresh, tab) -> None:
    url, store = fresh
    started_at = time.monotonic()
    tab.goto(url)
    tab.get_by_role("heading", level=1).wait_for()
    assert time.monotonic() - started_at < LIMIT * 4
    tab.locator(".text .token").first.wait_for()
    assert time.monotonic() - started_at < LIMIT * 6
    assert tab.locator(".text").text_content().startswith("ROMEO:")

    started_at = time.monotonic()
    tab.get_by_role("button", name="Train your first model").click()
    tab.wait_for_url("**/train?*run=*")
    line = ".st-key-loss-chart .mark-line path"
    tab.wait_for_function(
        "line => document.querySelector(line)?.getAttribute('d')?.includes('L')", arg=line
    )
    assert time.monotonic() - started_at < LIMIT * 3
    run = store.get(tab.url.split("run=")[1].split("&")[0])
    assert run.config.data.dataset == "python_reference"  # which needs no file

    # while it trains: a slider answers and a page opens
    tab.get_by_role("link", name="Generate", exact=True).click()
    tab.get_by_role("heading", name="Generate", level=1).wait_for()
    tab.get_by_role("link", name="Train", exact=True).click()
    tab.locator(".st-key-budget input").first.wait_for()
    assert statistics.quantiles(key_presses(tab), n=20)[-1] < LIMIT * 0.6

    uniform = 4.63  # ln 103, the alphabet of the Python reference
    deadline = time.monotonic() + LIMIT * 30
    while (store.get(run.run_id).status.sampled_val_loss or 9) >= uniform:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    tab.goto(f"{url}/train?run={run.run_id}")
    tab.locator(".st-key-run-heading").get_by_text("complete", exact=True).wait_for(timeout=150_000)

    tab.get_by_role("link", name="Compare", exact=True).click()
    tab.locator(".st-key-runs-table").wait_for()
    tab.get_by_role("link", name="Generate", exact=True).click()
    tab.get_by_role("button", name="Generate", exact=True).click()
    tab.locator(".text .token").nth(20).wait_for()


def key_presses(tab, n: int = 15) -> list[float]:
    """Seconds from each press of an arrow key on the budget to the new count of steps."""
    return latencies(tab, ".st-key-budget input", tab.get_by_test_id("stMetric").nth(1), n)


def latencies(tab, slider: str, shown, n: int) -> list[float]:
    """Seconds from each press of an arrow key on a slider to a change in what is `shown`."""
    tab.locator(slider).first.focus()
    node = shown.element_handle()
    taken = []
    for i in range(n):
        before = shown.inner_html()
        started_at = time.monotonic()
        tab.keyboard.press("ArrowRight" if i % 2 == 0 else "ArrowLeft")
        tab.wait_for_function("([node, before]) => node.innerHTML !== before", arg=[node, before])
        taken.append(time.monotonic() - started_at)
    return taken


def test_the_network_is_not_needed(fresh, tab) -> None:
    url, _ = fresh
    for path in ("/", "/data", "/train", "/compare", "/generate"):
        tab.goto(url + path)
        tab.get_by_role("heading", level=1).wait_for()
        tab.wait_for_timeout(500)
    assert not tab.problems  # which counts attempts to reach another machine
