"""The Train page: what it shows before a run, and how it steers one."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from lm.architectures import ARCHITECTURES
from lm.jobs import JobQueue
from lm.runs import Run, RunStore
from lm.runs.config import RunConfig
from lm.runs.presets import PRESETS
from pages.common import shell
from pages.common.train import curve
from tests.pages.conftest import serve, widget

ROOT = Path(__file__).parents[2]
SMALL = {"dataset": "known_entropy", "n_chars": "20000", "threads": "1"}
# Some minutes of small steps: stopped by the tests long before its end
LONG = "dataset=known_entropy&n_chars=20000&threads=1&budget=1e12&d_model=32&context_length=32"


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the page, as a script, with query parameters."""
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.delenv("LM_DATASETS", raising=False)

    def open_page(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page("pages/train.py")
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return open_page


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a click on Start make a run that waits for ever."""
    # AppTest is a fresh server on every run, whose first rerun would swallow a click
    monkeypatch.setattr(shell, "PagesManager", SimpleNamespace(uses_pages_directory=False))
    waiting: list[str] = []
    monkeypatch.setattr(JobQueue, "start", lambda queue, run: waiting.append(run.run_id))
    monkeypatch.setattr(JobQueue, "stop", lambda queue, run: waiting.remove(run.run_id))
    monkeypatch.setattr(JobQueue, "waiting", lambda queue: waiting)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_page_needs_no_torch(tmp_path: Path) -> None:
    script = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
for page in ("train", "compare", "data"):
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
assert "torch" not in sys.modules
"""
    environment = {**os.environ, "LM_RUNS_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)


@pytest.mark.parametrize("architecture", ["linear", "mlp", "attention", "transformer"])
def test_parameters_and_flops_are_those_of_the_model(train, architecture: str) -> None:
    from lm.architectures import build_model
    from lm.training.meter import measured_step_flops

    app = train(**SMALL, architecture=architecture, budget="1e10")
    config, shape, vocab_size = _draft(app)
    model = build_model(config.model, vocab_size)
    shown = metrics(app)
    assert shown["Parameters"] == f"{sum(p.numel() for p in model.parameters()):,}"
    measured = measured_step_flops(
        config.model, vocab_size, config.training, batch_size=shape[0], sequence_length=shape[1]
    )
    table = app.dataframe[0].value.set_index("Module")
    assert table.loc["One step", "Total"] == measured.total
    assert table.loc["One step", "Forward"] == measured.forward
    assert table.iloc[:-2]["Total"].sum() == measured.total
    spent = table.iloc[-1]["Total"]
    assert 0.95e10 <= spent <= 1e10


def _draft(app: AppTest) -> tuple[RunConfig, tuple[int, int], int]:
    """What the page's form amounts to, worked out from its choices alone."""
    from lm import datasets
    from lm.datasets.config import DataConfig
    from lm.runs import recipes
    from lm.runs.plan import plan

    chosen = app.session_state["train_choices"]
    data = DataConfig(dataset=chosen["dataset"], n_chars=chosen["n_chars"])
    corpus = datasets.load(data)
    vocab_size, n_tokens = corpus.tokenizer.vocab_size, corpus.train.n_tokens
    config = recipes.resolve(
        architecture=chosen["architecture"],
        data=data,
        vocab_size=vocab_size,
        n_train_tokens=n_tokens,
        budget=chosen["budget"],
    )
    return config, plan(config, vocab_size, n_tokens).shape, vocab_size


def test_settings_follow_the_budget_until_set_and_again_after_reset(train) -> None:
    app = train(**SMALL, budget="1e10")
    small = widget(app.number_input, "d_model").value
    widget(app.select_slider, "budget").set_value(1e13).run()
    large = widget(app.number_input, "d_model").value
    assert large > small
    widget(app.number_input, "d_model").set_value(48).run()
    widget(app.select_slider, "budget").set_value(1e10).run()
    assert widget(app.number_input, "d_model").value == 48
    app.button(key="reset-d_model").click().run()
    assert widget(app.number_input, "d_model").value == small
    assert "d_model" not in app.query_params


def test_tables_of_ngrams_go_at_one_click_and_the_bill_says_how_many_parameters_they_had(train):
    app = train(**SMALL, architecture="linear", budget="1e10")
    parameters = next(each for each in app.metric if each.label == "Parameters")
    table = app.dataframe[0].value.set_index("Module")
    in_tables = table.loc["ngram_embedding (tables of n-grams)", "Parameters"]
    said = f"{parameters.value} parameters, {in_tables:,} of them in tables of n-grams"
    assert any(said in caption.value for caption in app.caption)
    assert f"{in_tables:,} of them" in parameters.help
    switch = widget(app.toggle, "switch-ngram_order")
    assert switch.value
    switch.set_value(False).run()
    assert app.query_params["ngram_order"] == "1"
    assert app.dataframe[0].value["Module"].tolist()[:2] == ["embedding", "head"]
    assert not any("in tables of n-grams" in caption.value for caption in app.caption)
    widget(app.toggle, "switch-ngram_order").set_value(True).run()
    assert "ngram_order" not in app.query_params  # it follows the preset again
    assert metrics(app)["Parameters"] == parameters.value


def test_a_name_says_that_a_run_has_tables_of_ngrams(train, idle, tmp_path: Path) -> None:
    app = train(**SMALL, architecture="linear", budget="1e9")
    app.button(key="start").click().run()
    widget(app.toggle, "switch-ngram_order").set_value(False).run()
    app.button(key="start").click().run()
    without, having = RunStore(tmp_path / "runs").list()
    assert re.fullmatch(r"Linear [\d.]+k \+ n-grams, 1e9", having.name)
    assert re.fullmatch(r"Linear [\d.]+k, 1e9", without.name)


def test_presets_that_suit_are_explained_and_no_others(train) -> None:
    app = train(**SMALL, architecture="linear")
    radio = widget(app.radio, "preset")
    suited = [preset for preset in PRESETS.values() if preset.suits(ARCHITECTURES["linear"])]
    assert radio.options == [preset.name for preset in suited]
    assert list(radio.proto.captions) == [preset.help for preset in suited]
    radio.set_value("study").run()
    assert app.query_params["preset"] == "study"
    assert not widget(app.toggle, "switch-ngram_order").value
    widget(app.toggle, "switch-ngram_order").set_value(True).run()  # where the preset has none
    assert int(app.query_params["ngram_order"]) > 1
    assert not app.error


def test_a_control_says_in_words_what_it_is_and_then_its_symbol(train) -> None:
    app = train(**SMALL)
    assert widget(app.number_input, "n_layers").label == "Layers · `n_layers`"
    assert widget(app.number_input, "learning_rate").label == "Learning rate"  # its symbol's words
    assert widget(app.number_input, "data_seed").label == "Seed of the text · `data_seed`"


def test_a_restart_leaves_the_curve_before_it_behind_the_new_one(
    train, idle, tmp_path: Path
) -> None:
    app = train(**SMALL, budget="1e9")
    app.button(key="start").click().run()
    store = RunStore(tmp_path / "runs")
    (first,) = store.list()
    widget(app.number_input, "n_layers").set_value(3).run()
    app.button(key="restart").click().run()
    second = next(run for run in store.list() if run.run_id != first.run_id)
    assert second.parent_run_id == first.run_id
    assert curve.run_before(second).run_id == first.run_id
    assert any("restarted with n\\_layers" in caption.value for caption in app.caption)
    widget(app.number_input, "n_chars").set_value(30_000).run()  # a text of its own: no comparison
    app.button(key="restart").click().run()
    third = next(run for run in store.list() if run.parent_run_id == second.run_id)
    assert curve.run_before(third) is None
    store.delete(first)
    assert curve.run_before(second) is None


def test_a_browser_that_is_behind_sets_nothing_that_its_user_did_not_touch(train) -> None:
    app = train(**SMALL, budget="1e10")
    widget(app.select_slider, "budget").set_value(1e13)
    behind = app._tree.get_widget_states()  # what it still reports with its next click
    app.run()
    app._run(behind)
    assert set(app.session_state["train_choices"]) == {*SMALL, "budget"}
    assert app.session_state["train_choices"]["budget"] == 1e13


def test_six_settings_travel_in_the_url(train) -> None:
    app = train(**SMALL)
    widget(app.segmented_control, "architecture").set_value("mlp").run()
    widget(app.select_slider, "budget").set_value(3e10).run()
    widget(app.number_input, "n_layers").set_value(3).run()
    widget(app.number_input, "d_hidden").set_value(96).run()
    widget(app.number_input, "learning_rate").set_value(0.003).run()
    widget(app.selectbox, "schedule").set_value("cosine").run()
    query = dict(app.query_params)
    again = train(**query)
    assert widget(again.segmented_control, "architecture").value == "mlp"
    assert widget(again.select_slider, "budget").value == 3e10
    assert widget(again.number_input, "n_layers").value == 3
    assert widget(again.number_input, "d_hidden").value == 96
    assert widget(again.number_input, "learning_rate").value == 0.003
    assert widget(again.selectbox, "schedule").value == "cosine"


def test_url_that_cannot_be_gives_defaults(train) -> None:
    defaults = train()
    odd = train(
        n_layers="999", dataset="zzz", budget="-1", architecture="rnn", dropout="nan",
        bias="maybe", learning_rate="0", seed="x", run="gone",
    )  # fmt: skip
    assert metrics(odd) == metrics(defaults)
    assert (
        widget(odd.number_input, "n_layers").value
        == widget(defaults.number_input, "n_layers").value
    )
    assert "no run gone" in odd.warning[0].value


def test_impossible_settings_are_said_and_not_started(train) -> None:
    app = train(**SMALL)
    widget(app.number_input, "d_model").set_value(65).run()
    widget(app.number_input, "n_heads").set_value(2).run()
    assert "must be divisible by n\\_heads" in app.error[0].value
    assert app.button(key="start").disabled
    app.button(key="reset-all").click().run()
    assert not app.error
    assert not app.button(key="start").disabled


def test_settings_persist_across_pages(train) -> None:
    app = train(**SMALL)
    widget(app.number_input, "n_layers").set_value(5).run()
    for page in ("data", "train"):
        app.query_params.clear()  # as a browser does
        app.switch_page(f"pages/{page}.py").run()
    assert widget(app.number_input, "n_layers").value == 5


def test_predicted_time_learns_from_what_ran_here(tmp_path: Path) -> None:
    from dataclasses import replace

    from lm import datasets
    from lm.datasets.config import DataConfig
    from lm.runs import forecast, recipes
    from lm.runs.plan import plan
    from lm.runs.prepare import prepare

    data = DataConfig(dataset="known_entropy", n_chars=5_000)
    corpus = datasets.load(data)
    config = recipes.resolve(
        architecture="mlp",
        data=data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=1e10,
    )
    steps = plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    assert forecast.seconds(config, steps, []) > 0
    run = prepare(config, RunStore(tmp_path), corpus=corpus)
    slow = replace(run, status=replace(run.status, step=run.n_steps // 2, seconds=60.0))
    assert forecast.seconds(config, steps, [slow]) == pytest.approx(120, rel=0.05)


# --- live, in a browser -----------------------------------------------------------------------


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
    deadline = time.monotonic() + 30
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

    second = tab.context.new_page()  # another tab finds the same run, advancing
    second.goto(f"{url}/train")
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
    assert "ended" in tab.get_by_test_id("stAlert").first.inner_text()
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


def test_a_fifth_architecture_fits_into_the_form(start_server, tab, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(f"""
import runpy
from lm.architectures import ARCHITECTURES
from tests.lm.toys.architecture import BIGRAM

if BIGRAM.name not in ARCHITECTURES:
    ARCHITECTURES.add(BIGRAM)
runpy.run_path({str(ROOT / "app.py")!r})
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
