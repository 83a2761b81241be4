"""The Compare page: which runs share an axis, what tells them apart, and one run as a file."""

import io
import json
import math
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from lm import charts
from lm.base.flops import Cost
from lm.base.records import Evaluation, StepRecord
from lm.datasets import OWN_TEXT, Corpus, load
from lm.datasets.config import DataConfig
from lm.runs import Run, RunStore, RunWriter, archive, recipes
from lm.runs.archive import ArchiveError
from lm.runs.prepare import prepare
from lm.runs.table import COLUMNS, Column
from pages.common import runs_table, shell, wording
from pages.common.compare import choice, relate
from pages.common.components import ladder
from tests.pages.conftest import serve

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def corpora() -> dict[str, Corpus]:
    def known_entropy(tokenizer: str) -> Corpus:
        return load(DataConfig(dataset="known_entropy", n_chars=5_000, tokenizer=tokenizer))

    return {kind: known_entropy(kind) for kind in ("char", "word")}


def finished_run(
    store: RunStore,
    corpus: Corpus,
    *,
    architecture: str = "transformer",
    name: str | None = None,
    loss: float = 1.5,
    budget: float = 1e9,
    model: dict[str, object] | None = None,
    **training: object,
) -> Run:
    """A run that looks trained; nothing was."""
    config = recipes.resolve(
        architecture=architecture,
        data=corpus.data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
        budget=budget,
        model=model,
        training=training,
    )
    run = prepare(config, store, name=name, corpus=corpus)
    with RunWriter(run) as writer:
        for i in range(1, 31):
            writer.append(
                StepRecord(
                    step=i,
                    tokens=100 * i,
                    flops=int(budget * i / 30),
                    seconds=i / 10,
                    train_loss=loss + 2 / i,
                    learning_rate=0.01,
                    grad_norm=1.0,
                    sampled_val_loss=loss + 1 / i,
                )
            )
        score = Evaluation(
            total_nats=loss * corpus.valid.n_tokens,
            n_tokens=corpus.valid.n_tokens,
            n_chars=corpus.valid.n_chars,
        )
        writer.update(
            state="complete",
            step=run.n_steps,
            tokens=run.facts.tokens,
            flops=Cost(forward=int(budget / 3), backward=int(budget * 2 / 3)),
            seconds=3.0,
            valid=score,
            test=score,
            now=True,
        )
    return run.reload()


# --- which runs share an axis, and what tells them apart ------------------------------------------


def test_words_and_characters_share_no_axis_but_bits(tmp_path: Path, corpora) -> None:
    store = RunStore(tmp_path)
    for kind in ("char", "word", "char"):
        finished_run(store, corpora[kind])
    groups = list(runs_table.groups(store.list()).values())
    assert [len(group.runs) for group in groups] == [2, 1, 3]
    assert [group.in_bits for group in groups] == [False, False, True]
    for group in groups[:2]:
        assert len({run.config.data.tokenizer for run in group.runs}) == 1
        run = group.runs[0]
        assert group.score(run.status.valid) == run.status.valid.loss
    run = groups[2].runs[0]
    assert groups[2].score(run.status.valid) == run.status.valid.bits_per_char


def test_two_texts_of_ones_own_are_never_ranked_together(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    for words, architectures in (("to be ", ("mlp", "transformer")), ("or not ", ("attention",))):
        path = tmp_path / f"{words.strip()}.txt"
        path.write_text(words * 2_000)
        corpus = load(DataConfig(dataset=OWN_TEXT, text_path=str(path)))
        for architecture in architectures:
            finished_run(store, corpus, architecture=architecture)
    runs = store.list()
    assert [len(group.runs) for group in runs_table.groups(runs).values()] == [2, 1]
    ranked = ladder.rungs(runs)
    assert {run.config.model.architecture for run in ranked} == {"mlp", "transformer"}
    assert len({run.text_key for run in ranked}) == 1


def test_another_corpus_shows_the_result_that_it_draws(
    tmp_path: Path, corpora, start_server, tab
) -> None:
    store = RunStore(tmp_path)
    for kind in ("char", "word"):
        finished_run(store, corpora[kind])
    tab.goto(f"{start_server(tmp_path)}/compare")
    result = tab.locator(".st-key-result")
    result.locator("input[value='Validation loss (nats per token)']").wait_for()
    tab.get_by_test_id("stSelectbox").first.locator("input").click()
    tab.get_by_role("option").filter(has_text="bits per character").click()
    result.locator("input[value='Validation bits per character']").wait_for()
    assert tab.problems == []


def test_best_on_the_way_stands_beside_the_last(tmp_path: Path, corpora) -> None:
    """The curve of `finished_run` falls to its end; one that rises again shows where it turned."""
    store = RunStore(tmp_path)
    run = finished_run(store, corpora["word"], loss=1.5)
    finished_run(store, corpora["char"])
    groups = runs_table.groups(store.list()).values()
    words = next(group for group in groups if not group.in_bits and run in group.runs)
    in_bits = next(group for group in groups if group.in_bits)
    row = runs_table.table(words, [run]).iloc[0]
    assert row["Last"] == row["Best"] == pytest.approx(1.5 + 1 / 30)
    at_end = runs_table.table(in_bits, [run]).iloc[0]
    assert (
        at_end["Last"] == runs_table.curves(in_bits, [run])[run.run_id]["sampled_val_loss"].iloc[-1]
    )
    with (run.path / "metrics.jsonl").open("a") as file:
        later = {**run.rows()[-1], "step": 31, "sampled_val_loss": 1.9}
        file.write(json.dumps(later) + "\n")
    row = runs_table.table(words, [run]).iloc[0]
    assert (row["Last"], row["Best"]) == (1.9, pytest.approx(1.5 + 1 / 30))


def test_unknown_words_and_white_space_stand_beside_the_losses_of_words(tmp_path, corpora) -> None:
    store = RunStore(tmp_path)
    run = finished_run(store, corpora["word"])
    finished_run(store, corpora["char"])
    groups = runs_table.groups(store.list()).values()
    words = next(group for group in groups if not group.in_bits and run in group.runs)
    in_bits = next(group for group in groups if group.in_bits)
    assert "Unknown words" not in runs_table.table(words, [run])  # which this text has none of
    told = replace(run.status.valid, n_words=100, n_unknown=12, spelling_nats=9e3, spacing_nats=9e3)
    run = replace(run, status=replace(run.status, valid=told))
    assert runs_table.table(words, [run]).iloc[0]["Unknown words"] == "12 %: compare bits"
    row = runs_table.table(in_bits, [run]).iloc[0]
    assert (
        row["Spelling"] == f"{told.spelling_bits_per_char:.2f} + {told.spacing_bits_per_char:.2f}"
    )
    assert row["Validation"] == told.bits_per_char
    spaces = f"{told.spacing_bits_per_char:.3f} of them to tell white space)"
    assert wording.untold(run, told).endswith(spaces)
    older = replace(told, spelling_nats=0.0, spacing_nats=None)
    assert wording.untold(run, older) == " (none for white space, as in all older runs)"
    assert older.bits_per_char < told.bits_per_char


def test_curves_know_the_operations_and_bytes_at_each_step(tmp_path: Path, corpora) -> None:
    store = RunStore(tmp_path)
    run = finished_run(store, corpora["char"]).reload()
    (group,) = runs_table.groups(store.list()).values()
    frame = runs_table.curves(group, [run])[run.run_id]
    whole, share = run.scale, frame["step"] / run.status.step
    assert list(frame["operations"]) == pytest.approx(list(share * whole.operations.total))
    assert list(frame["bytes"]) == pytest.approx(list(share * whole.bytes.total))
    assert frame["operations"].min() > 0


def test_labels_say_only_what_differs(tmp_path: Path, corpora) -> None:
    store, corpus = RunStore(tmp_path), corpora["char"]
    runs = [
        finished_run(store, corpus, architecture="mlp"),
        finished_run(store, corpus, budget=1e9),
        finished_run(store, corpus, budget=1e10),
        finished_run(store, corpus, budget=1e10, seed=7),
    ]
    assert list(runs_table.labels(runs).values()) == [
        "MLP",
        "Transformer, 1e9 FLOPs",
        "Transformer, 1e10 FLOPs, seed 0",
        "Transformer, 1e10 FLOPs, seed 7",
    ]
    assert list(runs_table.labels(runs[2:]).values()) == ["seed 0", "seed 7"]
    orders = [
        finished_run(store, corpus, architecture="mlp", model={"ngram_order": n}) for n in (1, 2, 3)
    ]
    assert list(runs_table.labels(orders).values()) == [
        "MLP",
        "MLP + n-grams, ngram_order 2",
        "MLP + n-grams, ngram_order 3",
    ]
    twins = [finished_run(store, corpus, name=name) for name in ("one", "two", "two")]
    labels = list(runs_table.labels(twins).values())
    assert labels[0] == "one"
    assert len(set(labels)) == 3


def group_of(store: RunStore) -> runs_table.Group:
    (group,) = runs_table.groups(store.list()).values()
    return group


def test_groups_of_seeds_are_checked_whole_or_not_at_all(tmp_path: Path, corpora) -> None:
    """The mean of the best three of four seeds would be lower than that of all."""
    store = RunStore(tmp_path)
    for loss, rate in ((1.4, 0.01), (1.5, 0.02), (1.6, 0.03), (1.3, 0.04)):
        for seed in range(5):
            finished_run(
                store, corpora["char"], loss=loss + seed / 100, learning_rate=rate, seed=seed
            )
    checked = choice.best_runs(group_of(store))
    rates = [run.config.training.learning_rate for run in checked]
    assert {rate: rates.count(rate) for rate in set(rates)} == {0.04: 5, 0.01: 5}
    for seed in range(5, 20):
        finished_run(store, corpora["char"], loss=1.2, learning_rate=0.04, seed=seed)
    assert len(choice.best_runs(group_of(store))) == 20  # the best group, however large


def joined(runs: list[Run], x: str) -> list[list[str]]:
    """The labels of runs by series, where a series has several."""
    frame = runs_table.results(runs)
    series, _ = relate.series_along(runs, frame, x, runs_table.SEEDS)
    labels = runs_table.labels(runs)
    lines: dict[str, list[str]] = {}
    for run_id, name in series.items():
        lines.setdefault(name, []).append(labels[run_id])
    return [line for line in lines.values() if len(line) > 1]


def test_lines_join_only_runs_that_differ_by_one_choice(tmp_path: Path, corpora) -> None:
    store, corpus = RunStore(tmp_path), corpora["char"]
    widths = [
        finished_run(store, corpus, budget=budget, model={"d_model": d_model, "context_length": 16})
        for budget in (1e9, 1e10)
        for d_model in (16, 32)
    ]
    for x in ("n_params", "d_model"):
        lines = joined(widths, x)
        assert len(lines) == 2
        assert all(len({label.split(",")[0] for label in line}) == 1 for line in lines)
    recipes_at_budgets = [
        finished_run(store, corpus, architecture="mlp", budget=budget) for budget in (1e8, 1e11)
    ]
    assert joined([*recipes_at_budgets, widths[0]], "n_params") == []
    assert joined([*recipes_at_budgets, widths[0]], "flops") == []
    assert len(joined(recipes_at_budgets, "budget")) == 1  # asked for
    assert joined(widths[:1], "n_params") == []


def test_many_curves_are_named_by_what_differs_and_more_by_their_colour(
    tmp_path: Path, corpora
) -> None:
    store = RunStore(tmp_path)
    runs = [
        finished_run(store, corpora["char"], learning_rate=rate, seed=seed)
        for rate in (0.01, 0.02, 0.04)
        for seed in range(3)
    ]
    looks = charts.run_looks(
        dict.fromkeys([r.run_id for r in runs], "mlp"), {r.run_id: "" for r in runs}
    )
    colours = {run.run_id: "MLP" for run in runs}
    alike = {run.run_id: runs_table.without_seed(run) for run in runs}
    shown = choice.named(runs, alike, looks, colours, without=runs_table.SEEDS)
    assert [look.label for look in shown.values()] == [
        f"learning_rate {rate}" for rate in (0.01, 0.02, 0.04) for _ in range(3)
    ]
    assert len(set(shown.values())) == 3  # the seeds of one rate are drawn alike
    each = {run.run_id: run.run_id for run in runs}
    assert len({look.label for look in choice.named(runs, each, looks, colours).values()}) == 9
    more = [*runs, *(finished_run(store, corpora["char"], seed=seed) for seed in range(3, 7))]
    looks |= {run.run_id: looks[runs[0].run_id] for run in more[9:]}
    colours |= {run.run_id: "Transformer" for run in more[9:]}
    each = {run.run_id: run.run_id for run in more}
    shown = choice.named(more, each, looks, colours)
    assert {look.label for look in shown.values()} == {"MLP", "Transformer"}


# --- a run as a file ------------------------------------------------------------------------------


def test_run_travels_as_a_zip(tmp_path: Path, corpora) -> None:
    here, there = RunStore(tmp_path / "here"), RunStore(tmp_path / "there")
    run = finished_run(here, corpora["char"], name="traveller")
    landed = archive.unpack(archive.pack(run), there)
    assert landed.run_id == run.run_id
    assert landed.name == "traveller"
    assert landed.config == run.config
    assert landed.status == run.status
    assert landed.rows() == run.rows()
    with pytest.raises(ArchiveError, match="here already"):
        archive.unpack(archive.pack(run), there)


def test_a_run_that_is_worse_than_guessing_is_marked_in_the_table(
    tmp_path: Path, corpora, monkeypatch
) -> None:
    monkeypatch.setattr(runs_table, "phase", lambda run: run.state)
    good, lost = (finished_run(RunStore(tmp_path), corpora["char"], loss=loss) for loss in (2, 1e9))
    assert runs_table.state(good) == "complete"
    assert runs_table.state(lost) == "complete, worse than guessing"


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_what_is_no_run_does_not_land(tmp_path: Path, corpora, monkeypatch) -> None:
    source, store = RunStore(tmp_path / "source"), RunStore(tmp_path / "store")
    run = finished_run(source, corpora["char"])
    with zipfile.ZipFile(io.BytesIO(archive.pack(run))) as packed:
        good = {name: packed.read(name) for name in packed.namelist()}
    config = json.loads(good[f"{run.run_id}/config.json"])

    def changed(**values) -> dict[str, bytes]:
        return {**good, f"{run.run_id}/config.json": json.dumps({**config, **values}).encode()}

    bad = {
        "not a zip file": b"hello",
        "zip is not whole": archive.pack(run)[:-100],
        "no config.json": zipped({"readme.txt": b"hi"}),
        "leads out": zipped({**good, "../../evil.txt": b"x"}),
        "leads out of it": zipped({**good, "/etc/evil": b"x"}),
        "twice": zipped({**good, "other/config.json": b"{}"}),
        "name of a folder": zipped(changed(run_id="../evil")),
        "schema_version": zipped(changed(schema_version=99)),
        "not a run": zipped({**good, f"{run.run_id}/status.json": b"{"}),
        "damaged": zipped({**good, f"{run.run_id}/model.safetensors": b"\xff" * 64}),
        "nested too deeply": zipped({**good, f"{run.run_id}/config.json": b"[" * 100_000}),
        "tokens must be": zipped(
            {**good, f"{run.run_id}/status.json": b'{"state": "complete", "tokens": "x"}'}
        ),
        "tokens where the run has": zipped(
            {**good, f"{run.run_id}/tokenizer.json": b'{"kind": "byte"}'}
        ),
        "cannot be the name": zipped(changed(run_id="study")),
        "holds what it cannot": zipped(changed(mood=float("nan"))),
        "at most": zipped({f"f{i}": b"" for i in range(1000)}),
    }
    for sentence, content in bad.items():
        with pytest.raises(ArchiveError, match=sentence):
            archive.unpack(content, store)
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(ArchiveError, match="larger"):
        archive.unpack(zipped(good), store)
    assert not store.root.exists() or not list(store.root.iterdir())
    assert not (tmp_path / "evil.txt").exists()


def test_shipped_run_comes_in_as_the_users_own(tmp_path: Path, corpora) -> None:
    store, other = RunStore(tmp_path / "a"), RunStore(tmp_path / "b")
    shipped = store.ship(finished_run(store, corpora["char"]), "shipped-one")
    landed = archive.unpack(archive.pack(shipped), other)
    assert not landed.shipped
    other.delete(landed)
    assert not other.list()


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Open the page as a script."""
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path / "runs"))
    # AppTest is a fresh server on every run, whose first rerun would swallow a click
    monkeypatch.setattr(shell, "PagesManager", SimpleNamespace(uses_pages_directory=False))

    def open_page() -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page("pages/compare.py").run()
        assert not app.exception, app.exception
        return app

    return open_page


def test_page_without_runs_offers_one_action(compare) -> None:
    app = compare()
    assert "no run to compare" in app.info[0].value
    assert not app.button


def test_damaged_run_is_named_beside_the_table_and_hides_no_other(
    compare, tmp_path: Path, corpora
) -> None:
    store = RunStore(tmp_path / "runs")
    finished_run(store, corpora["char"], name="sound")
    for fact, value in (("tokens", 0), ("n_params", "many"), ("n_steps", 10**50), ("flops", [])):
        path = finished_run(store, corpora["char"]).path / "config.json"
        config = json.loads(path.read_text())
        config["facts"][fact] = value
        path.write_text(json.dumps(config))
    app = compare()
    told = sorted(warning.value.replace("\\", "") for warning in app.warning)
    facts = [sentence.split("facts.")[1].split()[0] for sentence in told]
    assert sorted(facts) == ["flops", "n_params", "n_steps", "tokens"]
    assert list(app.dataframe[0].value["Run"]) == ["sound"]


def test_column_of_the_registry_is_among_the_choices(compare, tmp_path: Path, corpora) -> None:
    store = RunStore(tmp_path / "runs")
    run = finished_run(store, corpora["char"])
    toy = Column(name="toy", title="Toy", unit="s", value=lambda run: 7, axes=("x", "y"))
    with COLUMNS.including(toy):
        app = compare()
        for key in ("setting", "result"):
            assert "Toy (s)" in app.selectbox(key=key).options
            app.selectbox(key=key).set_value("toy")
        app.run()
        assert not app.exception
        assert runs_table.results([run])["toy"].tolist() == [7]


def test_runs_that_differ_by_their_seed_become_a_mean_with_its_interval(
    compare, tmp_path: Path, corpora
) -> None:
    store = RunStore(tmp_path / "runs")
    for seed, loss in enumerate((1.4, 1.5, 1.6)):
        finished_run(store, corpora["char"], loss=loss, seed=seed)
    finished_run(store, corpora["char"], loss=1.6, seed=2)  # the same again
    finished_run(store, corpora["char"], architecture="mlp", loss=1.7)
    app = compare()
    (means,) = (each.value for each in app.dataframe if "Seeds" in each.value)
    assert means["Mean"].tolist() == pytest.approx([1.5, 1.7])  # the best first
    assert means["Seeds"].tolist() == [3, 1]
    half = 4.302653 * 0.1 / 3**0.5  # t of two degrees of freedom, at 97.5 %
    assert means["±"].iloc[0] == pytest.approx(half, rel=1e-4)
    assert math.isnan(means["±"].iloc[1])
    app.toggle(key="over_seeds").set_value(False).run()
    assert not [each for each in app.dataframe if "Seeds" in each.value]


def test_a_sweep_is_drawn_over_what_was_swept_and_checked_rows_can_be_seen(
    compare, tmp_path: Path, corpora
) -> None:
    store = RunStore(tmp_path / "runs")
    for rate in (0.08, 0.04, 0.02, 0.01, 0.005):  # the last ones are best
        for seed in range(3):
            finished_run(store, corpora["char"], loss=1 + rate, learning_rate=rate, seed=seed)
    app = compare()
    assert app.selectbox(key="setting").value == "learning_rate"
    assert app.selectbox(key="color_by").value == "learning_rate"

    def rates() -> list[str]:
        said = (each.split(",")[0] for each in app.dataframe[0].value["What differs"])
        return [rate.removeprefix("learning_rate ") for rate in said]

    assert rates()[-3:] == ["0.08"] * 3  # the only ones that are not checked
    app.text_input(key="filter").set_value("0.08").run()
    assert not app.exception
    assert rates()[:3] == ["0.08"] * 3
    assert len(rates()) == 15


def test_run_is_renamed_and_deleted_but_never_a_shipped_one(
    compare, tmp_path: Path, corpora
) -> None:
    store = RunStore(tmp_path / "runs")
    mine = finished_run(store, corpora["char"], name="mine")
    app = compare()
    app.text_input(key=f"name-{mine.run_id}").set_value("still mine")
    next(b for b in app.button if b.label == "Rename").click().run()
    assert store.get(mine.run_id).name == "still mine"

    store.ship(store.get(mine.run_id), "shipped-one")
    app = compare()
    app.selectbox(key="managed").set_value(mine.run_id).run()
    app.button(key="delete").click().run()
    assert len(store.list()) == 2  # asked once more
    app.button(key="confirm-delete").click().run()
    assert [run.shipped for run in store.list()] == [True]
    assert not [b for b in app.button if b.key == "delete" or b.label == "Rename"]
    assert any("came with the program" in caption.value for caption in app.caption)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, corpora) -> Iterator[tuple[str, RunStore]]:
    store = RunStore(tmp_path_factory.mktemp("compare") / "runs")
    for i, architecture in enumerate(("linear", "mlp", "transformer")):
        finished_run(store, corpora["char"], architecture=architecture, loss=1 + i / 2)
        time.sleep(0.002)  # the order of the rows is that of their making
    process, url = serve(store.root)
    yield url, store
    process.terminate()
    process.wait(20)


def lines(tab) -> dict[str, str]:
    """Stroke of each line of the training curves, by the path it draws."""
    return dict(
        tab.evaluate(
            """() => [...document.querySelectorAll('.st-key-curves-chart .mark-line path')]
                .map(path => [path.getAttribute('d'), path.getAttribute('stroke')])"""
        )
    )


def labels_of_lines(tab) -> list[str]:
    labels = tab.locator(".st-key-curves-chart .mark-text.role-mark text").all_text_contents()
    return [label for label in labels if label.istitle() or label.isupper()]


def test_unchecking_a_run_takes_its_line_and_moves_no_colour(server, tab) -> None:
    url, _ = server
    tab.goto(f"{url}/compare")
    tab.wait_for_function(
        "document.querySelectorAll('.st-key-curves-chart .mark-line path').length == 3"
    )
    before = set(lines(tab).values())
    assert len(before) == 3
    assert sorted(set(labels_of_lines(tab))) == ["Linear", "MLP", "Transformer"]
    rows = tab.locator(".st-key-runs-table canvas").first
    rows.scroll_into_view_if_needed()
    box = rows.bounding_box()
    tab.mouse.click(box["x"] + 18, box["y"] + 35 * 2.5)  # the second row: mlp
    tab.wait_for_function(
        "document.querySelectorAll('.st-key-curves-chart .mark-line path').length == 2"
    )
    assert sorted(set(labels_of_lines(tab))) == ["Linear", "Transformer"]
    from lm.charts import of_architecture

    assert {color.lower() for color in lines(tab).values()} == {
        of_architecture("linear").color.lower(),
        of_architecture("transformer").color.lower(),
    }
    assert set(lines(tab).values()) < before
    tab.wait_for_function("location.search.split('%2C').length == 2")
    fresh = tab.context.new_page()  # the link holds what is checked
    fresh.goto(tab.evaluate("location.href"))
    fresh.wait_for_function(
        "document.querySelectorAll('.st-key-curves-chart .mark-line path').length == 2"
    )
    assert sorted(set(labels_of_lines(fresh))) == ["Linear", "Transformer"]
    fresh.close()


def test_a_run_that_ends_elsewhere_comes_and_the_link_is_the_visitors_address(server, tab) -> None:
    """The page is opened by another name of this machine, as a class opens a teacher's."""
    url, store = server
    url = url.replace("127.0.0.1", "localhost")
    tab.goto(f"{url}/compare")
    marks = tab.locator(".st-key-frontier-chart .mark-symbol path")
    tab.get_by_text("Mean over seeds").wait_for(state="detached")
    tab.locator(".st-key-curve_log label").first.click()
    tab.wait_for_function(
        "document.querySelectorAll('.st-key-frontier-chart .mark-symbol path').length"
    )
    before = marks.count()
    run = finished_run(store, load(DataConfig(dataset="known_entropy", n_chars=5_000)), seed=9)
    tab.wait_for_function(
        "n => document.querySelectorAll('.st-key-frontier-chart .mark-symbol path').length > n",
        arg=before,
    )
    assert not tab.locator(".st-key-curve_log input").is_checked()  # what was set stays
    tab.get_by_role("button", name="Copy link").click()
    assert tab.get_by_test_id("stCode").inner_text().startswith(f"{url}/compare?checked=")
    fills = tab.evaluate(
        "[...document.querySelectorAll('.role-axis-label text')].map((e) => e.getAttribute('fill'))"
    )
    assert set(fills) == {"#5d626b"}  # and not Streamlit's, which is paler
    store.delete(run)
