"""The Start page: useful before any training, without torch, and one button to the first run."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from streamlit.testing.v1 import AppTest

from lm.architectures import DEFAULT
from lm.datasets import load
from lm.datasets.config import DataConfig
from lm.runs import RunStore, forecast, recipes
from lm.runs.plan import plan
from pages.common import first_answer

ROOT = Path(__file__).parents[2]


def test_page_shows_sample_and_ladder_without_torch(trained: Path) -> None:
    script = """
import os, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
assert any("finish" in header.value for header in app.header), app.header
assert "torch" not in sys.modules
os._exit(0)  # a thread of Streamlit's may still be at work, which Python does not wait for
"""
    environment = {"LM_RUNS_DIR": str(trained), "PATH": "", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]


def test_sample_is_coloured_and_another_is_written(app_url, tab) -> None:
    tab.goto(app_url)
    tab.locator(".text .token").first.wait_for()
    before = tab.locator(".text").text_content()
    assert before.startswith("ROMEO:")
    tab.locator(".ladder tbody tr").nth(1).wait_for()
    tab.get_by_role("button", name="Another text").click()
    tab.locator(".text .token").nth(len(before)).wait_for()  # the new one is longer
    assert tab.locator(".text").text_content().startswith("ROMEO:")


def test_button_says_how_long_its_own_run_takes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))  # then it learns the Python reference
    label = first_button().label
    corpus = load(DataConfig(dataset="python_reference"))
    config = recipes.resolve(
        architecture=DEFAULT,
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=1e11,
    )
    steps = plan(config, corpus.tokenizer.vocab_size, corpus.train.n_tokens)
    vocab_size = corpus.tokenizer.vocab_size
    said = forecast.in_words(
        forecast.whole_seconds(config, steps, vocab_size, corpus.n_scored_tokens, [])
    )
    assert label == f"Train your first model (about {said})"


def test_a_corpus_that_cannot_be_read_is_named_where_the_button_is_pressed(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    monkeypatch.setenv("LM_DATASETS", str(tmp_path))
    (tmp_path / "tiny_shakespeare").mkdir()
    (tmp_path / "tiny_shakespeare" / "input.txt").write_bytes(b"")
    button = first_button()
    assert button.label == "Train your first model"
    app = button.click().run()
    assert not app.exception
    assert "Tiny Shakespeare" in app.error[0].value


def test_estimates_that_move_do_not_change_which_architecture_is_best_for_a_budget() -> None:
    def answer(*seconds: float) -> str:
        rungs = [
            first_answer.Offer(run=run, seconds=each, perplexity=perplexity)
            for run, each, perplexity in zip(runs, seconds, (4.01, 4.00, 5.0), strict=True)
        ]
        return first_answer.bought(rungs)["Within a minute"].run.run_id

    store = RunStore(ROOT / "checkpoints")
    first, second = (store.get(f"shipped-{name}-1e12") for name in ("attention", "transformer"))
    training = first.config.training.replace(budget=1e11)
    runs = [
        first,
        second,
        replace(first, path=Path("less"), config=first.config.replace(training=training)),
    ]
    assert answer(10, 50, 5) == answer(50, 10, 5) == second.run_id
    assert answer(10, 70, 5) == "less"  # what leads at 1e12 does not fit any more


def first_button():
    """The button of the Start page that trains a first model."""
    app = AppTest.from_file(str(ROOT / "pages" / "start.py"), default_timeout=60).run()
    assert not app.exception
    return app.button(key="first")


def test_primary_button_starts_a_training(start_server, tab, tmp_path: Path) -> None:
    tab.goto(start_server(tmp_path / "runs"))
    tab.get_by_role("button", name="Train your first model").click()
    tab.wait_for_url("**/train?*")
    deadline = time.monotonic() + 30
    steps = 0
    while steps < 2 and time.monotonic() < deadline:
        steps = max(
            (json.loads(path.read_text())["step"] for path in tmp_path.glob("runs/*/status.json")),
            default=0,
        )
        time.sleep(0.2)
    assert steps >= 2


def test_narrow_screen_does_not_scroll_sideways(app_url, tab) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/generate"):
        tab.goto(app_url + path)
        tab.locator("table").first.wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
