"""The Train page in a browser: a run as it trains, and where things stand."""

import itertools
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lm.runs import Run, RunStore
from tests.pages.conftest import serve

ROOT = Path(__file__).parents[2]
# Some minutes of small steps: stopped by the tests long before its end
LONG = "dataset=known_entropy&n_chars=20000&threads=1&budget=1e12&d_model=32&context_length=32"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, RunStore]]:
    """A server without corpora or runs, and the store it writes to."""
    store = RunStore(tmp_path_factory.mktemp("live") / "runs")
    process, url = serve(store.root)
    yield url, store
    process.terminate()
    process.wait(20)


def step(tab) -> int:
    text = tab.get_by_test_id("stProgress").inner_text()
    return int(text.split()[1].replace(",", ""))


def wait_for_step(tab, beyond: int) -> None:
    deadline = time.monotonic() + 120  # a program may have to be made first
    while step(tab) <= beyond:
        assert time.monotonic() < deadline, f"stays at step {step(tab)}"
        time.sleep(0.1)


def shown_run(tab, store: RunStore) -> Run:
    url = tab.evaluate("location.search")  # Playwright's own tab.url comes late
    return store.get(url.split("run=")[1].split("&")[0])


def status(tab, text: str) -> None:
    tab.locator(".st-key-run-heading").get_by_text(text, exact=True).wait_for()


LINE = ".st-key-loss-chart .mark-line path"


def test_run_lives_through_pause_step_reload_tabs_and_a_kill(live, tab) -> None:
    url, store = live
    tab.goto(f"{url}/train?{LONG}")
    tab.locator(".st-key-start button").click()
    started_at = time.monotonic()
    tab.wait_for_function(
        "line => document.querySelector(line)?.getAttribute('d')?.includes('L')", arg=LINE
    )
    assert time.monotonic() - started_at < 5 * 3

    tab.evaluate(
        """line => {
            document.querySelector('.st-key-loss-chart svg').same = true;
            window.updates = [];
            let last = '';
            setInterval(() => {
                const now = document.querySelector(line)?.getAttribute('d');
                if (now && now !== last) { last = now; window.updates.push(performance.now()); }
            }, 30);
        }""",
        LINE,
    )
    time.sleep(5)
    updates = tab.evaluate("window.updates")
    assert len(updates) >= 5 * 15 / 20 / 5
    assert max((b - a for a, b in itertools.pairwise(updates)), default=0) < 5 * 2500
    assert tab.evaluate("document.querySelector('.st-key-loss-chart svg').same")

    second = tab.context.new_page()  # another tab is told of the run, and finds it advancing
    second.goto(f"{url}/train?architecture=mlp")
    second.locator(".st-key-queue a", has_text="is training").wait_for()
    assert "run=" not in second.url
    assert second.get_by_test_id("stProgress").count() == 0
    second.locator(".st-key-queue a").click()
    second.get_by_test_id("stProgress").wait_for()
    assert shown_run(second, store).run_id == shown_run(tab, store).run_id
    wait_for_step(second, step(second))
    second.close()
    tab.get_by_role("link", name="Data").click()  # another page, and back
    tab.wait_for_url("**/data*")
    tab.get_by_role("link", name="Train").click()
    tab.get_by_test_id("stProgress").wait_for()
    wait_for_step(tab, step(tab))
    tab.reload()
    tab.get_by_test_id("stProgress").wait_for()
    wait_for_step(tab, step(tab))

    tab.locator(".st-key-pause button").click()
    status(tab, "paused")
    held = step(tab)
    time.sleep(3)
    assert step(tab) == held == shown_run(tab, store).status.step
    tab.locator(".st-key-step button").click()
    wait_for_step(tab, held)
    status(tab, "paused")
    assert step(tab) == held + 1
    tab.locator(".st-key-resume button").click()
    wait_for_step(tab, held + 1)

    os.kill(shown_run(tab, store).status.pid, signal.SIGKILL)
    status(tab, "interrupted")
    assert "ended" in " ".join(tab.get_by_test_id("stAlert").all_inner_texts())
    tab.locator(".st-key-resume button").click()
    status(tab, "training")

    tab.locator(".st-key-n_layers input").fill("3")
    tab.locator(".st-key-n_layers input").press("Enter")
    tab.get_by_role("button", name="Restart with: n_layers").wait_for()
    tab.locator(".st-key-stop button").click()
    status(tab, "stopped")
    run = shown_run(tab, store)
    assert run.state == "stopped"
    assert run.weights_path.exists()
    tab.locator(".st-key-to-compare button").click()
    tab.locator(".st-key-runs-table").wait_for()


def test_same_settings_and_seed_give_the_same_curve(live, tab) -> None:
    url, store = live
    link = f"{url}/train?{LONG}".replace("1e12", "1e9")
    losses = []
    for _ in range(2):
        tab.goto(link)
        tab.locator(".st-key-start button").click()
        status(tab, "complete")
        run = shown_run(tab, store)
        losses.append([json.dumps(row["train_loss"]) for row in run.rows()[:20]])
    assert losses[0] == losses[1]
    assert len(losses[0]) == 20
    assert len({run.run_id for run in store.list() if run.state == "complete"}) == 2


def test_figures_stand_beside_the_curve_on_a_wide_screen_and_below_it_on_a_narrow(live, tab):
    url, _ = live
    tab.goto(f"{url}/train?dataset=known_entropy")
    curve, side = tab.locator(".st-key-run-curve"), tab.locator(".st-key-run-side")
    curve.locator("svg").first.wait_for()
    a, b = curve.bounding_box(), side.bounding_box()  # of a window 1,280 pixels wide
    assert b["x"] >= a["x"] + a["width"]
    assert b["y"] == a["y"]
    tab.set_viewport_size({"width": 1100, "height": 900})
    a, b = curve.bounding_box(), side.bounding_box()
    assert b["x"] == a["x"]
    assert b["y"] >= a["y"] + a["height"]


def test_on_a_phone_the_start_comes_right_after_the_budget(live, tab) -> None:
    url, _ = live
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{url}/train?dataset=known_entropy")
    tab.locator(".st-key-loss-chart").wait_for()
    keys = ("budget", "start", "bill", "loss-chart", "preset")
    tops = [tab.locator(f"[class*=st-key-{key}]").first.bounding_box()["y"] for key in keys]
    assert tops == sorted(tops)
    assert tops[1] < 844  # on the first screen


def test_a_fifth_architecture_fits_into_the_form(start_server, tab, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(f"""
import runpy
from lm.architectures import ARCHITECTURES
from tests.lm.toys.architecture import BIGRAM

if BIGRAM.name not in ARCHITECTURES:
    ARCHITECTURES.add(BIGRAM)
runpy.run_path({str(ROOT / "app.py")!r}, run_name="__main__")
""")
    tab.goto(f"{start_server(app=app)}/train?architecture=bigram")
    choice = tab.get_by_role("radiogroup", name="Architecture")
    choice.get_by_role("radio", name="Bigram").wait_for()
    for width in (1280, 390):
        tab.set_viewport_size({"width": width, "height": 900})
        assert choice.evaluate("group => group.scrollWidth <= group.clientWidth")


@pytest.mark.parametrize("page", ["train", "data", "compare"])
def test_narrow_screen_does_not_scroll_sideways(live, tab, page: str) -> None:
    url, _ = live
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(f"{url}/{page}?dataset=known_entropy")
    tab.locator("[data-testid=stVegaLiteChart], canvas, [data-testid=stAlert]").first.wait_for()
    main = "document.querySelector('.stMain')"
    assert tab.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")


def test_a_process_that_hangs_is_said_and_stop_insists(live, tab) -> None:
    url, store = live
    tab.goto(f"{url}/train?{LONG}&seed=7")
    tab.locator(".st-key-start button").click()
    wait_for_step(tab, 0)
    run = shown_run(tab, store)
    os.kill(run.reload().status.pid, signal.SIGSTOP)
    tab.get_by_text(
        re.compile(r"No progress for 1\d s. After 120 s its process is ended")
    ).wait_for()
    tab.locator(".st-key-stop button").click()
    said = tab.get_by_text("Its process was asked to stop and has 10 s to do so")
    said.wait_for()
    os.kill(run.reload().status.pid, signal.SIGKILL)  # as the launcher would, some seconds later
    status(tab, "stopped")
    tab.get_by_text("did not answer when it was asked to stop, and was ended").wait_for()
    assert run.reload().resumable
    assert said.count() == 0
