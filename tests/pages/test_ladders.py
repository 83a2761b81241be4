"""What pages say by a ladder: on Compare, at the end of a run, and on the first page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from lm import datasets
from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT
from lm.base.flops import Cost
from lm.base.records import Evaluation
from lm.datasets.config import DataConfig
from lm.jobs.ladder import SMALL_BUDGETS, ladder_store, ship, shipped_ladder, small_ladder
from lm.jobs.sweeps import expand, remembered
from lm.runs import LADDER, Run, RunStore
from lm.runs.archive import pack, unpack
from lm.runs.frontier import Frontier, Lead, Result
from lm.runs.table import COLUMNS, offered
from pages.common import ladders, shell
from pages.common.compare import answer
from pages.common.runs_table import Group
from pages.common.train import verdict
from tests.pages.test_compare import finished_run

ROOT = Path(__file__).parents[2]
LOSSES = {  # (architecture, budget) -> loss of the seeds
    ("mlp", 1e9): (2.0, 2.01, 2.02),
    ("mlp", 1e10): (1.8, 1.81, 1.82),
    ("transformer", 1e9): (2.2, 2.21, 2.22),
    ("transformer", 1e10): (1.6, 1.61, 1.62),
}


@pytest.fixture(scope="module")
def corpus():
    return datasets.load(DataConfig(dataset="known_entropy", n_chars=5_000))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, corpus) -> RunStore:
    """A folder of runs with one of the user's and a ladder."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    of_ladder = ladder_store(store)
    for (architecture, budget), losses in LOSSES.items():
        for seed, loss in enumerate(losses):
            finished_run(
                of_ladder, corpus, architecture=architecture, budget=budget, loss=loss, seed=seed
            )
    finished_run(store, corpus, architecture="mlp", budget=3e9, loss=1.95, name="mine")
    return store


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, store: RunStore):
    def open_page(name: str, **query: str) -> AppTest:
        monkeypatch.setenv("LM_RUNS_DIR", str(store.root))
        monkeypatch.delenv("LM_DATASETS", raising=False)
        # AppTest is a fresh server on every run, whose first rerun would swallow a click
        monkeypatch.setattr(shell, "PagesManager", SimpleNamespace(uses_pages_directory=False))
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page(f"pages/{name}.py")
        for key, value in query.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return open_page


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in [*app.header, *app.markdown])


# --- Compare ------------------------------------------------------------------------------------


def test_compare_says_who_leads_and_how_far_each_run_is(page) -> None:
    app = page("compare")
    assert "**MLP** leads up to 1e9 FLOPs; **Transformer** at 1e10." in texts(app)
    (row,) = app.dataframe[0].value.to_dict("records")
    # between 1e9 and 1e10 the MLP's line falls from 2.01 to 1.81, the transformer's from 2.21
    # to 1.61: at 3e9 they have 1.915 and 1.924
    assert row["To the frontier"] == "0.04 worse: 2e9 would do"


def test_the_ladders_runs_become_rows_when_asked_for(page) -> None:
    app = page("compare")
    app.toggle(key="with_ladder").set_value(True).run()
    assert not app.exception
    assert len(app.dataframe[0].value) == 1 + 12
    assert app.dataframe[0].value["Run"].iloc[0] == "mine"


def test_a_text_without_a_ladder_offers_to_train_one(page, store, corpus) -> None:
    other = datasets.load(DataConfig(dataset="known_entropy", n_chars=6_000))
    run = finished_run(store, other, architecture="mlp", budget=1e9, loss=2.0, name="other")
    try:
        app = page("compare", checked=run.run_id)
        assert "No ladder has been trained on this text yet" in texts(app)
        assert app.button(key="train-ladder").label.startswith("Train a small ladder (")
    finally:
        store.delete(run)


@pytest.mark.parametrize(
    ("leads", "sentence"),
    [
        ([], ""),
        (
            [Lead(architecture="mlp", low=1e9, high=3e10)],
            "**MLP** leads from 1e9 to 3e10.",
        ),
        (
            [
                Lead(architecture="mlp", low=1e9, high=3e9),
                Lead(architecture=None, low=1e10, high=1e11),
                Lead(architecture="transformer", low=3e11, high=1e12),
            ],
            "**MLP** leads up to 3e9 FLOPs; **Transformer** from 3e11 on. "
            "From 1e10 to 1e11 seeds differ more than architectures.",
        ),
        (
            [Lead(architecture=None, low=1e9, high=1e11, firm=False)],
            "There are too few seeds to tell which architecture leads.",
        ),
    ],
)
def test_leads_in_words(leads, sentence) -> None:
    assert ladders.leads_text(leads) == sentence


# --- the end of a run -------------------------------------------------------------------------


def frontier() -> Frontier:
    return Frontier(
        Result(architecture=architecture, budget=budget, flops=budget, score=score)
        for (architecture, budget), losses in LOSSES.items()
        for score in losses
    )


@pytest.fixture
def run(store: RunStore) -> Run:
    """A run of 1e9 FLOPs that is not quite as good as its recipe."""
    (mine,) = store.list()
    return replace(mine, status=replace(mine.status, flops=Cost(forward=int(1e9))))


def test_a_verdict_compares_with_counting_and_with_ten_times_the_compute(run) -> None:
    said = verdict.judge(run, {"bigram": 2.5, "6-gram": 1.93, "entropy": 1.2}, frontier(), "modern")
    assert "**1.950** on validation, 0.02 above counting 6-grams." in said.text
    assert "ten times the FLOPs buy **0.20** more" in said.text
    assert said.steps[0].choices == {"budget": 3e10}  # ten times the dial's 3e9


def test_a_verdict_on_a_run_that_is_lost_says_so_and_offers_other_settings(run) -> None:
    lost = Evaluation(total_nats=4.5e10, n_tokens=100, n_chars=100)
    said = verdict.judge(
        replace(run, status=replace(run.status, valid=lost)), {}, frontier(), "modern"
    )
    assert "450,000,000" in said.text
    assert "It is worse than guessing" in said.text
    assert "ten times the FLOPs" not in said.text
    (step,) = said.steps
    assert set(step.choices.values()) == {None}


def test_a_verdict_says_what_is_to_be_known_of_a_run(run, monkeypatch) -> None:
    monkeypatch.setattr(verdict, "remarks", lambda run: ["At *step* 40 it was better."])
    said = verdict.judge(run, {}, frontier(), "modern")
    assert r"At \*step\* 40 it was better\." in said.text


def test_a_verdict_on_words_that_are_mostly_unknown_leads_with_bits_per_character(run) -> None:
    valid = replace(run.status.valid, n_words=50, n_unknown=49, spelling_nats=900.0)
    of_words = replace(run, status=replace(run.status, valid=valid))
    said = verdict.judge(of_words, {"bigram": 0.01}, frontier(), "modern")
    assert said.text.startswith(f"**{valid.bits_per_char:.3f} bits per character** on validation")
    assert "98 % of the valid part's words" in said.text
    assert "counting" not in said.text


def test_a_verdict_names_what_does_better_at_the_same_budget(run) -> None:
    later = replace(run, status=replace(run.status, flops=Cost(forward=int(1e10))))
    said = verdict.judge(later, {}, frontier(), "modern")
    assert "Transformer, by the recipe, ends 0.34 lower at this budget." in said.text
    assert said.steps[-1].choices["architecture"] == "transformer"
    assert "counting" not in said.text


def test_a_verdict_by_another_preset_names_it_and_resets_what_was_set_by_hand(run) -> None:
    later = replace(run, status=replace(run.status, flops=Cost(forward=int(1e10))))
    said = verdict.judge(later, {}, frontier(), "study")
    assert "Transformer, by preset study, ends 0.34 lower at this budget." in said.text
    choices = said.steps[-1].choices
    assert (choices["preset"], choices["architecture"]) == ("study", "transformer")
    assert choices["d_hidden"] is choices["batch_size"] is choices["ngram_order"] is None


def test_a_run_without_tables_is_held_against_runs_without() -> None:
    shipped = [run for run in ladders.runs() if run.config.data.dataset == "tiny_shakespeare"]
    like = next(run for run in shipped if run.config.preset == "modern")
    preset, kind = ladders.reference(like)
    assert preset == "modern"
    assert len(kind) == 108
    config = like.config.replace(model=like.config.model.replace(ngram_order=1))
    preset, kind = ladders.reference(replace(like, config=config))
    assert preset == "study"
    assert not any(ladders.wording.in_tables(run) for run in kind)


def test_a_ladder_may_have_tables_at_some_budgets_alone() -> None:
    """The default transformer has them for words from 2e12 FLOPs on."""
    of_words = [run for run in ladders.runs() if run.config.data.dataset == "ptb"]
    of_words = [run for run in of_words if run.config.data.tokenizer == "word"]
    transformers = [run for run in of_words if run.config.model.architecture == "transformer"]
    by_default = [run for run in transformers if run.config.preset == "modern"]
    assert len({bool(ladders.wording.in_tables(run)) for run in by_default}) == 2
    kinds = [ladders.reference(run) for run in by_default]
    for preset, kind in kinds:
        assert preset == "modern"
        assert {run.run_id for run in kind} == {run.run_id for run in kinds[0][1]}
    assert {run.config.model.architecture for run in kinds[0][1]} == set(ARCHITECTURES)


def test_without_a_ladder_a_verdict_still_says_what_to_try(run) -> None:
    said = verdict.judge(run, {}, Frontier([]), "modern")
    assert said.text == "**1.950** on validation."
    assert [step.label for step in said.steps] == ["Try 3e10 FLOPs"]


def test_a_verdict_on_a_capped_run_says_so_and_offers_no_larger_budget(run) -> None:
    training = run.config.training.replace(budget=1e10, steps=None, epochs=None, budget_cap=1e9)
    capped = replace(run, config=run.config.replace(training=training))
    said = verdict.judge(capped, {}, Frontier([]), "modern")
    assert "kept to its budget cap of 1e9 FLOPs and left 9e9 unspent" in said.text
    assert said.steps == ()


def test_a_step_sets_the_dials(page, store) -> None:
    (mine,) = store.list()
    app = page("train", run=mine.run_id)
    assert "on validation" in texts(app)
    app.button(key="try-0").click().run()
    assert not app.exception
    assert app.session_state["train_choices"]["budget"] == 3e10


# --- over what --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [column.name for column in offered("x")])
def test_the_frontier_is_drawn_over_whatever_training_took(page, store, name) -> None:
    app = page("compare")
    app.selectbox(key="over").set_value(name).run()
    assert not app.exception
    if name != "flops":
        told = [caption.value for caption in app.caption]
        assert any(f"{COLUMNS[name].label}: {COLUMNS[name].help}" in caption for caption in told)


def test_a_rung_stands_at_the_mean_of_its_runs() -> None:
    ladder = tuple(run for run in ladders.runs() if run.config.data.dataset == "tiny_shakespeare")
    group = Group(key="", title="", runs=(), ladder=ladder, in_bits=False)
    places = {
        name: answer.rung_places(group, "modern", COLUMNS[name]) for name in ("flops", "operations")
    }
    rung = ("transformer", 1e10)
    assert len(places["flops"]) == 36
    assert 1.2 < places["operations"][rung] / places["flops"][rung] < 1.3


# --- the first page -----------------------------------------------------------------------------


def test_the_first_page_says_what_seconds_buy(page, store, corpus) -> None:
    of_ladder = ladder_store(store)
    own = [(run, pack(run)) for run in of_ladder.list()]
    of_ladder.pack(run for run, _ in own)
    try:
        app = page("start")
        assert "##### Within 10 seconds" in texts(app)
        assert "Perplexity **" in texts(app)
    finally:
        for _, archive in own:
            unpack(archive, of_ladder)
        for path in of_ladder.root.glob("*.parquet"):
            path.unlink()


# --- training one -----------------------------------------------------------------------------


def test_the_small_ladder_has_every_architecture_at_every_budget(corpus) -> None:
    load = remembered(datasets.load)
    configs = expand(small_ladder(corpus.data), load)
    kinds = {(c.model.architecture, c.training.budget) for c in configs}
    assert len(kinds) == len(configs) == 4 * len(SMALL_BUDGETS)
    assert {config.data for config in configs} == {corpus.data}


def test_shipping_keeps_results_and_drops_what_the_ladder_has_no_more(tmp_path, corpus) -> None:
    store, load = RunStore(tmp_path), remembered(lambda data: corpus)
    run = finished_run(store, corpus, architecture="mlp", budget=1e9)
    from lm.jobs.sweeps import stable_id

    path = run.path.rename(tmp_path / stable_id(run.config, corpus.sha256))
    store.pack([finished_run(store, corpus, budget=1e9)])
    (new,) = ship([run.config], store, load)
    assert store.list() == [new]
    assert new.shipped
    assert new.status.valid == run.status.valid
    assert new.name == "Ladder: MLP, 1e9, seed 0"
    assert not path.exists()


def test_the_ladder_that_ships_has_what_the_page_needs() -> None:
    points = [point for _, point in shipped_ladder().points()]
    by_text = {
        text: sorted({p["budget"] for p in points if (p["dataset"], p.get("tokenizer")) == text})
        for text in {(p["dataset"], p.get("tokenizer")) for p in points}
    }
    half_decades = [1e9, 3e9, 1e10, 3e10, 1e11, 3e11, 1e12, 3e12, 1e13]
    assert by_text["tiny_shakespeare", None] == half_decades
    assert by_text["ptb", None] == half_decades[3:]
    for text in ("python_reference", "ptb"):
        assert by_text[text, "char"] == half_decades[2:]
    alone = [{**point, "seed": None} for point in points]
    assert all(alone.count(point) == 3 for point in alone)  # of each, three seeds


def test_the_ladder_that_ships_is_whole(real_corpora) -> None:
    """Every run of the committed ladder is that of today's recipes, so that none is to train."""
    load = remembered(datasets.load)
    configs = expand(shipped_ladder(), load)
    there = {run.config for run in RunStore(PROJECT / "checkpoints" / LADDER).list()}
    assert set(configs) == there
