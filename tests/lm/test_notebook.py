"""The notebook's door: what one line each does, and docs/notebook.md run from top to bottom."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lm
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import Run, RunStore
from lm.runs.run import html_table

ROOT = Path(__file__).parents[2]
SMALL = {"n_chars": 20_000, "budget": 2e7}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("notebook"))


@pytest.fixture(scope="module")
def run(store: RunStore) -> Run:
    return lm.train("known_entropy", "mlp", store=store, name="<b>small</b>", **SMALL)


def test_the_page_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notebook.md").read_text(), re.S)
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for block in blocks:
            exec(compile(block, "docs/notebook.md", "exec"), names)
    assert len(blocks) > 10
    assert "There is no setting learning_rat for mlp. Did you mean learning_rate?" in (
        printed.getvalue()
    )
    assert {run.name for run in RunStore(tmp_path).list()} == {names["run"].name, "faster"}
    assert names["faster"].config.training.learning_rate == 0.02
    assert (names["config"].training.seed, names["config"].data.seed) == (3, 1)


def test_import_is_quick_and_loads_nothing():
    code = (
        "import sys, lm; lm.train, lm.resolve; "
        "sys.exit(bool({'torch', 'pandas', 'altair', 'streamlit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_training_prints_nothing_and_ends_complete(store, capfd):
    run = lm.train("known_entropy", "linear", store=str(store.root), **SMALL)
    assert capfd.readouterr() == ("", "")
    assert run.state == "complete"
    assert run.path.parent == store.root
    assert run.status.flops.total <= 2e7
    store.delete(run)


def test_settings_go_by_name_or_by_section(tmp_path):
    config = lm.resolve(
        "known_entropy", "mlp", steps=3, n_chars=20_000, learning_rate=0.02, d_hidden=8, seed=5
    )
    assert (config.data.n_chars, config.model.d_hidden) == (20_000, 8)
    assert (config.training.learning_rate, config.training.seed) == (0.02, 5)
    dotted = {"data.seed": 2, "training.seed": 5, "data.n_chars": 20_000}
    config = lm.resolve("known_entropy", "mlp", steps=3, **dotted)
    assert (config.data.seed, config.training.seed) == (2, 5)
    data = DataConfig(dataset="known_entropy", n_chars=20_000)
    assert lm.resolve(data, "mlp", steps=3, tokenizer="byte").data.tokenizer == "byte"


def test_a_text_of_one_s_own_goes_by_its_path(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("to be or not to be, that is the question. " * 100)
    for given in (path, str(path)):
        config = lm.resolve(given, "linear", steps=3)
        assert (config.data.dataset, config.data.text_path) == ("text", str(path))


@pytest.mark.parametrize(
    ("dataset", "architecture", "given", "sentence"),
    [
        ("known_entropi", "mlp", {"steps": 1}, "Did you mean known_entropy"),
        ("known_entropy", "mpl", {"steps": 1}, "Did you mean mlp"),
        ("known_entropy", "mlp", {"steps": 1, "n_heads": 2}, "no setting n_heads for mlp"),
        ("known_entropy", "mlp", {"steps": 1, "data.d_hidden": 2}, "no setting data.d_hidden"),
        ("known_entropy", "mlp", {}, "give one"),
        ("known_entropy", "mlp", {"steps": 1, "learning_rate": -1}, "learning_rate must be"),
        ("known_entropy", "mlp", {"steps": 1, "preset": "x"}, "preset must be one of"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_makes_no_run(
    tmp_path, dataset, architecture, given, sentence
):
    with pytest.raises(ConfigError, match=sentence):
        lm.train(dataset, architecture, store=tmp_path / "runs", **given)
    assert not (tmp_path / "runs").exists()


def test_a_run_and_a_store_print_as_a_line_and_draw_themselves(run, store):
    for thing in (run, store):
        assert "\n" not in repr(thing)
        assert len(repr(thing)) < 200
        assert thing._repr_html_().startswith("<table>")
        assert "&lt;b&gt;small&lt;/b&gt;" in thing._repr_html_()
        assert "<b>" not in thing._repr_html_()
    assert run.run_id in repr(run)
    assert "complete" in repr(run)
    assert repr(RunStore("a/b")) == "RunStore('a/b')"
    assert html_table(["<"], [["&", "'"]], caption=">") == (
        "<table><caption>&gt;</caption><tr><th>&lt;</th></tr>"
        "<tr><td>&amp;</td><td>&#x27;</td></tr></table>"
    )


def test_a_store_and_a_run_take_a_path_as_text(run, store):
    same = RunStore(str(store.root))
    assert same == store
    assert hash(same) == hash(store)
    assert lm.read_run(str(run.path)).facts == run.facts
    assert [other.run_id for other in same.list()] == [run.run_id]


def test_table_and_chart_have_a_row_and_a_mark_per_run(run, store):
    assert lm.table(store)["run_id"].tolist() == [run.run_id]
    assert lm.table([run, run])["val_loss"].tolist() == [run.status.valid.loss] * 2
    chart = lm.chart(str(store.root), x="model.d_hidden", y="val_loss").to_dict()
    [rows] = chart["datasets"].values()
    assert [row["val_loss"] for row in rows] == [run.status.valid.loss]
    assert lm.chart([]).to_dict()
    with pytest.raises(ConfigError, match="Did you mean val_loss"):
        lm.chart([run], y="val_los")
    with pytest.raises(ConfigError, match=r"Did you mean model\.d_hidden"):
        lm.chart([run], x="model.d_hiden")


def test_losses_of_different_tokens_share_no_axis_and_bits_do(run, store):
    other = lm.train("known_entropy", "linear", store=store, tokenizer="byte", **SMALL)
    with pytest.raises(ConfigError, match="does not compare across texts and tokenizers"):
        lm.chart([run, other])
    assert lm.chart([run, other], y="test_bits_per_char").to_dict()
    store.delete(other)


def test_a_sample_continues_the_prompt_and_is_drawn_by_its_seed(run, monkeypatch):
    text = lm.sample(run, "a", 50)
    assert text.startswith("a")
    assert len(text) == 51
    assert lm.sample(run, "a", 50) == text
    assert lm.sample(run, "a", 50, seed=1) != text
    monkeypatch.setenv("LM_RUNS_DIR", str(run.path.parent))
    assert lm.sample(run.run_id, "a", 50) == text
    with pytest.raises(UnknownTokenError):
        lm.sample(run, "é")
    with pytest.raises(ConfigError, match="temperature must be"):
        lm.sample(run, "a", temperature=-1)
