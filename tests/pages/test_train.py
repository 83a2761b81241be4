"""The Train page: what it shows before a run, and how it steers one."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from lm.architectures import ARCHITECTURES
from lm.jobs import JobQueue
from lm.runs import RunStore
from lm.runs.config import RunConfig
from lm.runs.frontier import Frontier
from lm.runs.guess import read_guess
from lm.runs.presets import PRESETS
from pages.common import drafts, shell, wording
from pages.common.train import curve, queue
from pages.common.train.guess import verdict
from pages.common.train.verdict import judge
from tests.pages.conftest import widget

ROOT = Path(__file__).parents[2]
SMALL = {"dataset": "known_entropy", "n_chars": "20000", "threads": "1"}


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the page, as a script, with query parameters."""
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.delenv("LM_DATASETS", raising=False)

    def open_page(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page("pages/train.py")
        app.session_state["more"] = True
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


def test_what_a_text_is_worth_is_said_before_the_start(train) -> None:
    app = train(**SMALL, architecture="linear", budget="1e13")
    (notice,) = [info.value for info in app.info if "unspent" in info.value]
    shown = metrics(app)["Training FLOPs"]
    assert f"after about {shown} FLOPs" in notice
    app = train(**SMALL, architecture="linear", budget="1e9")
    assert not app.info


def test_what_counting_reaches_stands_below_the_budget(train) -> None:
    from lm import datasets
    from lm.datasets.config import DataConfig
    from lm.datasets.counting import ngram

    app = train(**SMALL)
    corpus = datasets.load(DataConfig(dataset="known_entropy", n_chars=int(SMALL["n_chars"])))
    losses = {name: parts["valid"].loss for name, parts in ngram.baselines(corpus).items()}
    best = min(losses, key=lambda name: losses[name])
    said = [caption.value for caption in app.caption if "Counting" in caption.value]
    assert said == [f"Counting {best}s, without any training, reaches {losses[best]:.2f}."]


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


def test_several_models_are_announced_before_they_are_trained(train):
    def says(**query: str) -> bool:
        captions = [caption.value for caption in train(**SMALL, **query).caption]
        return any("4 models learn side by side" in caption for caption in captions)

    assert says(budget="1e12")
    assert not says(budget="1e9")
    assert not says(budget="1e12", members="1")


def test_tables_of_ngrams_go_at_one_click_and_the_bill_says_how_many_parameters_they_had(train):
    app = train(**SMALL, architecture="linear", budget="1e10", members="1")
    parameters = next(each for each in app.metric if each.label == "Parameters")
    table = app.dataframe[0].value.set_index("Module")
    in_tables = table.loc["ngram_embedding", "Parameters"]
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
    app = train(**SMALL, architecture="linear", budget="1e9", members="1")
    app.button(key="start").click().run()
    widget(app.toggle, "switch-ngram_order").set_value(False).run()
    app.button(key="start").click().run()
    without, having = RunStore(tmp_path / "runs").list()
    assert re.fullmatch(r"Linear [\d.]+[kM] \+ n-grams, 1e9", having.name)
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


def test_a_widget_that_a_browser_draws_anew_shows_what_the_page_says(train) -> None:
    app = train(**SMALL, budget="1e10", n_layers="3")
    for field in app.number_input:
        if not field.key.startswith("guess"):
            assert (field.proto.default if field.proto.HasField("default") else None) == field.value
    for field in [*app.toggle, *app.checkbox]:
        assert field.proto.default == field.value
    for field in app.selectbox:
        assert field.options[field.proto.default] == app.session_state[field.key] or field.value
    assert widget(app.number_input, "n_layers").proto.default == 3
    assert widget(app.select_slider, "budget").proto.default == [drafts.BUDGETS.index(1e10)]


def test_more_settings_are_drawn_when_they_are_asked_for(train) -> None:
    app = train(**SMALL, data_seed="7")
    assert widget(app.number_input, "data_seed").value == 7
    app.session_state["more"] = False
    app.run()
    assert len(app.number_input) < 10
    assert app.query_params["data_seed"] == "7"  # and so it stays
    app.session_state["more"] = True
    app.run()
    assert widget(app.number_input, "data_seed").value == 7


def test_what_is_set_by_hand_is_in_the_name(train, idle, tmp_path: Path) -> None:
    app = train(**SMALL, budget="1e9", batch_size="32")
    app.button(key="start").click().run()
    (run,) = RunStore(tmp_path / "runs").list()
    assert run.name.endswith(", 1e9, batch_size 32")


def test_a_guess_beside_a_run_that_trains_is_for_the_next(train, idle) -> None:
    app = train(**SMALL, budget="1e9")
    assert widget(app.number_input, "guess").label.startswith("Your guess: ")
    app.button(key="start").click().run()
    assert widget(app.number_input, "guess").label.startswith("Your guess for the next run")


def test_a_page_follows_the_run_that_its_address_names_and_no_other(train, idle, tmp_path) -> None:
    train(**SMALL, budget="1e9").button(key="start").click().run()
    (run,) = RunStore(tmp_path / "runs").list()
    other = train(**SMALL, architecture="mlp", budget="1e9")
    assert "run" not in other.query_params
    assert not [button for button in other.button if button.key in ("restart", "stop", "pause")]
    assert other.button(key="start").proto.type == "primary"
    (line,) = other.get("page_link")
    assert line.proto.label.startswith(f"{wording.plain(run.name)} is next in the queue and begins")
    assert line.proto.query_string == f"run={run.run_id}"
    watching = train(run=run.run_id)
    assert "Restart" in watching.button(key="restart").label
    assert ": " not in watching.button(key="restart").label  # nothing has been changed
    primary = [button.key for button in watching.button if button.proto.type == "primary"]
    assert primary == ["start"]


def test_another_run_that_is_chosen_sets_the_form(train, idle, tmp_path: Path) -> None:
    train(**SMALL, budget="1e9").button(key="start").click().run()
    app = train(**SMALL, architecture="mlp", budget="2e9")
    app.button(key="start").click().run()
    (first,) = (r for r in RunStore(tmp_path / "runs").list() if r.config.training.budget == 1e9)
    widget(app.selectbox, "show_run").set_value(first.run_id).run()
    assert app.query_params["run"] == first.run_id
    assert widget(app.select_slider, "budget").value == 1e9
    assert app.button(key="restart").label == "Restart"


@pytest.mark.parametrize(
    ("active", "waiting", "begins"),
    [
        ([(1, 30.0)], [(1, 9.0)], [0]),  # there is room
        ([(2, 30.0)], [(1, 9.0), (1, 5.0), (1, 5.0)], [30, 30, 35]),
        ([(1, 30.0), (1, 10.0)], [(2, 60.0), (1, 1.0)], [30, 90]),  # in order
        ([(2, 30.0)], [(8, 1.0), (1, 1.0)], [30, 31]),  # more than there are, alone
    ],
)
def test_each_run_in_the_queue_begins_when_those_before_it_leave_room(
    active, waiting, begins
) -> None:
    assert queue.begin_in(active, waiting, cores=2) == begins


def test_a_long_queue_is_said_in_few_lines(train, idle, tmp_path: Path) -> None:
    app = train(**SMALL, budget="1e9")
    for _ in range(5):
        app.button(key="start").click().run()
    lines = [link.proto.label for link in app.get("page_link")]
    assert len(lines) == queue.MOST_WAITING
    assert "is number 2 in the queue and begins in about" in lines[1]
    said = [caption.value for caption in app.caption]
    assert any(text.startswith("This run is number 5 in the queue and begins") for text in said)
    assert any(text.startswith("5 runs wait in all; the last begins in about") for text in said)


def test_a_guess_and_opened_settings_are_there_after_another_page(train) -> None:
    app = train(**SMALL)
    widget(app.number_input, "guess").set_value(1.6).run()
    for page in ("data", "train"):
        app.query_params.clear()  # as a browser does
        app.switch_page(f"pages/{page}.py").run()
    assert widget(app.number_input, "guess").value == 1.6
    assert widget(app.number_input, "data_seed").value == 0  # which stands under More settings


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


def test_a_guess_is_kept_drawn_and_judged(train, idle, tmp_path: Path) -> None:
    app = train(**SMALL, budget="1e9")
    widget(app.number_input, "guess").set_value(1.6).run()
    assert "your guess 1.60" in app.get("vega_lite_chart")[0].proto.spec
    app.button(key="start").click().run()
    assert widget(app.number_input, "guess").value is None  # the next run has its own
    (run,) = RunStore(tmp_path / "runs").list()
    assert read_guess(run) == 1.6
    assert "your guess 1.60" in app.get("vega_lite_chart")[0].proto.spec
    (run.path / "guess.json").write_text('{"final_val_loss": "low"}')
    app.run()
    assert not app.exception
    said = [caption.value.replace("\\", "") for caption in app.caption]
    assert any("is left out: guess.json: final_val_loss must be" in text for text in said)
    assert "your guess" not in app.get("vega_lite_chart")[0].proto.spec
    (run.path / "guess.json").unlink()
    assert read_guess(run) is None


def test_nothing_more_is_offered_at_the_end_of_the_dial() -> None:
    run = RunStore(ROOT / "checkpoints").get("shipped-transformer-1e12")
    training = run.config.training.replace(budget=drafts.BUDGETS[-1])
    largest = replace(run, config=run.config.replace(training=training))
    assert judge(largest, {}, Frontier([]), "modern").steps == ()
    assert [step.label for step in judge(run, {}, Frontier([]), "modern").steps] == [
        "Try 1e13 FLOPs"
    ]


@pytest.mark.parametrize(
    ("said", "loss", "judged"),
    [
        (1.6, 1.5423, "You said 1.60; it ended at 1.54, 0.06 lower."),
        (1.4, 1.5423, "You said 1.40; it ended at 1.54, 0.14 higher."),
        (1.54, 1.5423, "You said 1.54; it ended at 1.54, as you said."),
    ],
)
def test_a_guess_is_judged_in_a_sentence(said: float, loss: float, judged: str) -> None:
    assert verdict(said, loss) == judged


def test_a_guess_is_judged_beside_the_ladder() -> None:
    assert verdict(1.6, 1.5, 1.52).endswith("end at 1.52 for these FLOPs: you were further off.")
    assert verdict(1.51, 1.5, 1.55).endswith("end at 1.55 for these FLOPs: you were nearer.")
    assert verdict(1.6, 1.5, 1.602).endswith("end at 1.60 for these FLOPs, as you said.")


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
    vocab_size = corpus.tokenizer.vocab_size
    steps = plan(config, vocab_size, corpus.train.n_tokens)
    assert forecast.seconds(config, steps, vocab_size, []) > 0
    run = prepare(config, RunStore(tmp_path), corpus=corpus)
    slow = replace(run, status=replace(run.status, step=run.n_steps // 2, seconds=60.0))
    assert forecast.seconds(config, steps, vocab_size, [slow]) == pytest.approx(120, rel=0.05)
