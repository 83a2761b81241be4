"""A stranger's visit: a fresh server, the defaults of Train, to the end; another looks on."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lm.base.machine import n_cores
from lm.runs import RunStore
from tests.lm.jobs.test_jobs import alive, until
from tests.pages.conftest import ROOT, serve

pytestmark = pytest.mark.alone
MINUTES = 60_000  # milliseconds


@pytest.fixture
def server(real_corpora: None, tmp_path: Path):
    """The README's command over a copy of what ships."""
    runs_dir = tmp_path / "runs"
    shutil.copytree(ROOT / "checkpoints", runs_dir)
    process, url = serve(runs_dir, Path(os.environ["LM_DATASETS"]).resolve())
    yield process, url, RunStore(runs_dir)
    process.kill()


def descendants(pid: int) -> set[int]:
    """Processes that this one has started, directly or not."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        new = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(new)
        waiting += new
    return found


def open_page(tab, address: str) -> None:
    """Open it, and wait until the page is whole."""
    tab.goto(address)
    tab.get_by_role("heading", level=1).wait_for(timeout=60_000)
    tab.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
    assert tab.get_by_test_id("stException").count() == 0


def test_the_run_that_train_starts_by_default_ends(server, tab, chromium) -> None:
    process, url, store = server
    names = ["", "data", "train", "compare", "study", "generate"]
    for name in names:
        open_page(tab, f"{url}/{name}")
    before = {run.run_id for run in store.list()}
    open_page(tab, f"{url}/train")
    tab.get_by_role("button", name="Start", exact=True).click()

    other = chromium.new_context(viewport={"width": 390, "height": 844}).new_page()
    open_page(other, f"{url}/train")
    other.get_by_role("button", name="Start", exact=True).wait_for()
    other.get_by_text("is training, about").or_(other.get_by_text("is compiling")).wait_for()

    state = tab.locator(".st-key-run-heading")
    state.get_by_text("complete", exact=True).wait_for(timeout=10 * MINUTES)
    (run,) = [run for run in store.list() if run.run_id not in before]
    assert run.state == "complete"
    assert run.facts.threads == min(2, n_cores())
    assert run.status.valid.loss < 1.5  # 1.44; counting 6-grams reaches 1.49

    tab.get_by_role("button", name="Write with it").click()
    tab.wait_for_url("**/generate?*")
    tab.get_by_role("button", name="Generate", exact=True).click()
    tab.locator(".text .token").nth(20).wait_for()
    open_page(tab, f"{url}/compare")
    tab.locator(".st-key-runs-table").wait_for()
    for name in names:
        open_page(other, f"{url}/{name}")
    other.context.close()
    tab.goto("about:blank")  # a page complains when its server goes

    started = descendants(process.pid)
    assert started
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    until(lambda: not any(alive(pid) for pid in started), seconds=20)
