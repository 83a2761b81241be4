"""The Study page: a sweep from its form to its chart, and the coursework's study."""

import io
import json
import re
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from lm.base.settings import ConfigError, settings
from lm.jobs.sweeps import Sweep, expand
from lm.runs import RunStore
from lm.updates.config import TrainingConfig
from pages.common import background, shell
from pages.common.study import coursework, sweeps

ROOT = Path(__file__).parents[2]
TRAINING = settings(TrainingConfig)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the page as a script, on an invented corpus."""
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LM_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setattr(shell, "PagesManager", SimpleNamespace(uses_pages_directory=False))

    def open_page() -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
        app.switch_page("pages/study.py").run()
        app.selectbox(key="sweep_dataset").select("known_entropy").run()
        assert not app.exception, app.exception
        return app

    return open_page


def metric(app: AppTest, label: str) -> str:
    (value,) = [metric.value for metric in app.metric if metric.label == label]
    return value


# --- what varies ----------------------------------------------------------------------------------


def test_values_are_read_as_the_setting_says():
    assert sweeps.values("batch_size", TRAINING["batch_size"], "8, 16,16 ,32,") == [8, 16, 32]
    assert sweeps.values("optimizer", TRAINING["optimizer"], "muon") == ["muon"]
    assert sweeps.values("learning_rate", TRAINING["learning_rate"], "1e-2, 0.005") == [0.01, 0.005]
    with pytest.raises(ConfigError, match=r"batch_size must be a whole number.*'2\.5'"):
        sweeps.values("batch_size", TRAINING["batch_size"], "8, 2.5")
    with pytest.raises(ConfigError, match=r"optimizer must be one of .*'adam'"):
        sweeps.values("optimizer", TRAINING["optimizer"], "adam")
    with pytest.raises(ConfigError, match="needs a value"):
        sweeps.values("seed", TRAINING["seed"], " , ")


@pytest.mark.parametrize(
    ("architectures", "has", "has_not"),
    [
        (["mlp"], "model.d_hidden", "model.n_heads"),
        (["attention", "transformer"], "model.n_heads", "model.d_ff"),
        (["linear", "transformer"], "model.context_length", "model.d_embed"),
    ],
)
def test_settings_are_those_that_all_chosen_architectures_have(architectures, has, has_not):
    settings = sweeps.settings_to_vary(architectures)
    assert has in settings
    assert has_not not in settings
    assert "training.learning_rate" in settings


def test_what_is_suggested_can_be_taken():
    for name, setting in sweeps.settings_to_vary(["transformer"]).items():
        for value in (setting.default, None):
            assert sweeps.values(name, setting, sweeps.suggestion(setting, value))


def test_a_saved_sweep_is_the_same_for_the_command_line(monkeypatch, tmp_path):
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    definition = {
        "name": "Which, über alles?",
        "base": {"dataset": "known_entropy", "architecture": "linear"},
        "axes": {"budget": {"from": 1e8, "to": 1e9, "count": 3}, "seed": [0, 1]},
        "weights": "best",
    }
    path = sweeps.save(definition)
    assert path.parent == tmp_path / "runs" / "sweeps"
    assert expand(Sweep.from_file(path)) == expand(Sweep.from_dict(definition))
    assert len(expand(Sweep.from_file(path))) == 6
    assert Sweep.from_file(path).weights == "best"
    assert next(iter(sweeps.files())) == path.stem
    assert RunStore(tmp_path / "runs").scan().broken == {}  # a folder of sweeps is no run


# --- the page -------------------------------------------------------------------------------------


def test_the_cost_is_known_before_anything_starts(study, tmp_path):
    app = study()
    assert metric(app, "Runs") == metric(app, "To train") == "36"
    app.number_input(key="sweep_seeds").set_value(2).run()
    assert metric(app, "Runs") == "24"
    app.button_group(key="sweep_architectures").set_value(["mlp"]).run()
    app.multiselect(key="sweep_settings").set_value(["model.d_hidden"]).run()
    app.text_input(key="sweep_values_model.d_hidden").set_value("16, 32, 64, 128").run()
    assert not app.exception
    assert metric(app, "Runs") == "24"
    disk = metric(app, "Disk")
    app.button_group(key="sweep_weights").set_value("none").run()
    assert metric(app, "Disk") != disk
    assert not list((tmp_path / "runs").glob("*"))  # nothing was written


def test_what_cannot_be_is_named_with_its_rule(study):
    app = study()
    app.multiselect(key="sweep_settings").set_value(["training.batch_size"]).run()
    app.text_input(key="sweep_values_training.batch_size").set_value("8, many").run()
    assert "must be a whole number" in app.error[0].value
    assert "many" in app.error[0].value
    app.text_input(key="sweep_values_training.batch_size").set_value("8").run()
    assert not app.error
    app.button_group(key="sweep_architectures").set_value([]).run()
    assert "Choose an architecture" in app.error[0].value
    assert not app.exception


def test_a_page_starts_no_thousand_runs(study):
    app = study()
    app.number_input(key="sweep_rungs").set_value(12).run()
    app.number_input(key="sweep_seeds").set_value(10).run()
    assert "480 runs" in app.error[0].value
    assert "400" in app.error[0].value


def test_without_its_corpora_the_study_says_where_they_are_to_be_had(study):
    app = study()
    app.segmented_control(key="study_view").set_value("The coursework's study").run()
    assert not app.exception
    assert "Tiny Shakespeare" in app.info[0].value


def test_the_study_that_ships_is_there_at_once_even_without_its_corpora(study, monkeypatch):
    app = study()
    monkeypatch.delenv("LM_RUNS_DIR")  # the project's own
    monkeypatch.setattr(coursework, "_is_as_shipped", lambda store: True)
    app.segmented_control(key="study_view").set_value("The coursework's study").run()
    assert not app.exception
    assert any("comes with the program" in caption.value for caption in app.caption)
    names = app.selectbox(key="study_figure").options
    assert names[0] == "What a FLOP buys, architecture by architecture"
    assert len(names) >= 19
    figure = json.loads((ROOT / "figures" / "frontier.json").read_text(encoding="utf-8"))
    assert plain(figure["sentence"]) in shown_text(app)
    (chart,) = app.get("vega_lite_chart")
    assert json.loads(chart.proto.spec)["width"] == "container"
    app.selectbox(key="study_figure").select("transformer-shape").run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 4
    assert "of 1, 2, 4 and 8 validation chooses 2" in shown_text(app).lower()
    assert not app.get("imgs")  # a picture has colours and a width of its own
    with zipfile.ZipFile(io.BytesIO(coursework._zip_of(ROOT))) as archive:
        names = set(archive.namelist())
        tables = {f"docs/report/{name}.csv" for name in ("learning-rates", "hyperparameters")}
        figures = {"figures/frontier.svg", "figures/frontier.json"}
        assert {"docs/report.md"} | figures | tables <= names


def plain(text: str) -> str:
    """A text without Markdown's escapes, and with common spaces."""
    return text.replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


def shown_text(app: AppTest) -> str:
    return plain("\n".join(element.value for element in [*app.markdown, *app.caption]))


def test_a_study_in_progress_shows_charts_and_no_pictures(study, monkeypatch):
    """A study that has more than what ships shows charts too, of what its runs say by now."""
    app = study()
    committed = json.loads((ROOT / "figures" / "mlp-shape.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(coursework, "corpora_here", lambda: ("tiny_shakespeare",))
    monkeypatch.setattr(coursework, "_cost", lambda *arguments: None)
    monkeypatch.setattr(coursework, "_is_as_shipped", lambda store: False)
    monkeypatch.setattr(
        coursework, "_figures", lambda *arguments: ({"mlp-shape": None}, {"mlp-shape": None})
    )
    monkeypatch.setattr(coursework, "_shown", lambda *arguments: committed)
    app.segmented_control(key="study_view").set_value("The coursework's study").run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 2
    assert not app.get("imgs")


def test_a_sweep_is_started_paused_resumed_and_drawn(tab, start_server, tmp_path):
    url = start_server(tmp_path / "runs", tmp_path / "datasets")
    tab.goto(f"{url}/study")
    tab.get_by_role("button", name="Start 36 runs").wait_for()
    for name in ("MLP", "Attention", "Transformer"):
        tab.get_by_role("button", name=name, exact=True).click()
    tab.get_by_label("Name").fill("Only linear")
    for _ in range(2):
        tab.get_by_role("button", name="Decrement").last.click()
    for _ in range(6):  # the largest budget
        tab.get_by_role("slider").last.press("ArrowLeft")
    tab.get_by_role("button", name="Start 3 runs").click()
    tab.get_by_role("button", name="Pause").click()
    tab.get_by_role("button", name="Resume").wait_for()
    store = RunStore(tmp_path / "runs")
    assert len(store.list()) == 3
    states = {run.state for run in store.list()}
    assert states <= {"created", "paused", "complete"}
    tab.get_by_role("button", name="Resume").click()
    tab.get_by_role("button", name="Pause").wait_for()
    chart = tab.locator("[data-testid=stVegaLiteChart]")
    chart.wait_for(timeout=120_000)
    deadline = time.monotonic() + 240
    while {run.state for run in store.list()} != {"complete"} and time.monotonic() < deadline:
        time.sleep(0.5)
    tab.get_by_role("button", name="Pause").wait_for(state="detached")
    tab.get_by_text("FLOPs spent").wait_for()
    tab.get_by_text(
        re.compile(r"has the lowest loss: \d\.\d+ nats per token on validation")
    ).wait_for()
    for title in ("To train", "Disk"):
        tab.get_by_text(title, exact=True).wait_for(state="detached")
    assert all(run.name.startswith("Only linear: ") for run in store.list())
    tab.wait_for_function(
        "document.querySelectorAll('[data-testid=stVegaLiteChart] svg.marks').length === 1"
    )

    tab.reload()  # the definition was kept
    tab.get_by_role("combobox", name="Sweep").click()
    tab.get_by_role("option", name="only-linear").click()
    chart.wait_for()
    tab.get_by_role("button", name="Compare these runs").click()
    tab.get_by_role("heading", name="Compare").wait_for()
    tab.get_by_text("Anything against any result").wait_for()
    ids = ",".join(run.run_id for run in store.list())
    tab.wait_for_function(
        "ids => new URLSearchParams(location.search).get('checked')"
        ".split(',').toSorted().join() === ids.split(',').toSorted().join()",
        arg=ids,
    )


# --- background -----------------------------------------------------------------------------------


def test_work_that_breaks_says_why():
    def train(report, stopped):
        raise RuntimeError("no room")

    work = background.Work(train)
    work._thread.join(5)
    assert not work.running
    assert work.problems == {"": "no room"}


def test_work_leaves_off_when_it_is_paused():
    started = threading.Event()

    def train(report, stopped):
        started.set()
        while not stopped():
            time.sleep(0.01)
        return {}

    work = background.Work(train)
    started.wait(5)
    assert work.running
    work.pause()
    work._thread.join(5)
    assert not work.running
    assert work.problems == {}
