"""Every link from page to page is clicked, and what it asked for is there."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from lm.datasets.config import DataConfig
from lm.runs import Run
from pages.common import caches, drafts, links, shell
from tests.pages.conftest import widget

ROOT = Path(__file__).parents[2]


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch, trained: Path) -> Callable[..., AppTest]:
    """Open a page as a script, with query parameters, among two trained runs."""
    monkeypatch.setenv("LM_RUNS_DIR", str(trained))
    # AppTest is a fresh server on every run, whose first rerun would swallow a click
    monkeypatch.setattr(shell, "PagesManager", SimpleNamespace(uses_pages_directory=False))

    def open_page(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        if page != "start":
            app.switch_page(f"pages/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return open_page


@pytest.fixture
def runs(visit) -> list[Run]:
    """The runs as Generate lists them: the last is not what that page opens with."""
    found = caches.trained_runs()
    assert len(found) == 2
    return found


def title(app: AppTest) -> str:
    assert not app.exception, app.exception
    return app.title[0].value


def query_of(link: links.Link) -> dict[str, str]:
    """The parameters of a link that was copied and pasted."""
    query = parse_qs(link.text("http://localhost/page").split("?")[1])
    return {name: values[0] for name, values in query.items()}


def test_to_generate_from_the_table_of_runs(visit, runs) -> None:
    for run in runs:
        app = visit("compare")
        app.selectbox(key="managed").set_value(run.run_id).run()
        app.button(key="write").click().run()
        assert title(app) == "Generate"
        assert app.multiselect(key="runs").value == [run.name]


def test_to_generate_from_the_training_of_a_run(visit, runs) -> None:
    for run in runs:
        app = visit("train", run=run.run_id)
        app.button(key="to-generate").click().run()
        assert title(app) == "Generate"
        assert app.multiselect(key="runs").value == [run.name]


def test_to_train_from_the_table_of_runs(visit, runs) -> None:
    for run in runs:
        app = visit("compare")
        app.selectbox(key="managed").set_value(run.run_id).run()
        app.button(key="watch").click().run()
        assert title(app) == "Train"
        assert widget(app.selectbox, "show_run").value == run.run_id
        architecture = widget(app.segmented_control, "architecture").value
        assert architecture == run.config.model.architecture  # the form follows the run


def test_to_compare_from_the_training_of_a_run(visit, runs) -> None:
    app = visit("train", run=runs[-1].run_id)
    app.button(key="to-compare").click().run()
    assert title(app) == "Compare"
    assert list(app.session_state["checked"].values()) == [[runs[-1].run_id]]


def test_to_compare_by_the_copied_address(visit, runs) -> None:
    app = visit("compare", **query_of(links.to_compare(runs[-1:])))
    assert list(app.session_state["checked"].values()) == [[runs[-1].run_id]]
    assert any(links.to_compare(runs[-1:]).text("") in code.value for code in app.code)


def test_to_train_with_the_corpus_of_the_data_page(visit) -> None:
    app = visit("data", dataset="known_entropy")
    app.number_input(key="data-n_chars").set_value(5_000).run()
    app.number_input(key="data-seed").set_value(7).run()
    app.segmented_control(key="tokenizer-known_entropy").set_value("word").run()
    app.session_state["more"] = True
    app.button(key="train").click().run()
    assert title(app) == "Train"
    assert widget(app.selectbox, "dataset").value == "known_entropy"
    assert widget(app.number_input, "n_chars").value == 5_000
    assert widget(app.number_input, "data_seed").value == 7
    assert widget(app.selectbox, "tokenizer").value == "word"
    assert widget(app.number_input, "seed").value == 0  # the training's own


@pytest.mark.parametrize(
    "data",
    [
        DataConfig(dataset="known_entropy", n_chars=5_000, seed=3, tokenizer="bpe"),
        DataConfig(dataset="known_entropy", n_chars=5_000, tokenizer="word"),
        DataConfig(dataset="python_reference", tokenizer="byte"),
    ],
)
def test_a_corpus_travels_whole(visit, data: DataConfig) -> None:
    app = visit("train", **query_of(links.to_train_dataset(data)))
    assert drafts.draft(app.session_state["train_choices"]).data == data


@pytest.mark.parametrize("page", ["compare", "generate"])
def test_to_start_where_nothing_is_trained(visit, tmp_path: Path, monkeypatch, page: str) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    (link,) = visit(page).get("page_link")
    assert link.proto.page == ""  # which is where Start is served


def test_to_data_where_the_study_lacks_its_corpus(visit, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    app = visit("study")
    app.segmented_control(key="study_view").set_value("The coursework's study").run()
    assert [link.proto.page for link in app.get("page_link")] == ["data"]


def test_onward_from_start(visit) -> None:
    pages = [link.proto.page for link in visit("start").get("page_link")]
    assert pages == ["generate", "compare"]
