"""The study: whole at a tiny scale, killed on the way, and what it may claim."""

import functools
import json
import math
import os
import random
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from lm import charts, datasets
from lm.architectures import ARCHITECTURES as REGISTERED
from lm.base.flops import flops_text
from lm.base.wording import signed
from lm.cli.app import main
from lm.cli.command import BAD_INPUT
from lm.datasets import Corpus
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.intervals import Interval, difference
from lm.study import figures, running
from lm.study.choices import Validated, best_checkpoints, choose, choose_each, tuned_factors
from lm.study.families import Label, Study
from lm.study.knobs import KNOBS
from lm.study.published import PUBLISHED
from lm.study.report import report, sentences
from lm.study.report.comparing import against_others
from lm.study.results import gather
from lm.study.scales import SCALES
from lm.study.sections import ARCHITECTURES, CORPORA, SECTIONS
from tests.lm.toys.architecture import BIGRAM

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(900)  # on a busy machine
SHARE = {"train": 0.1, "valid": 0.02, "test": 0.02}  # of each text, for the smoke study


def load(data: DataConfig) -> Corpus:
    """A corpus, read once from each folder."""
    return _load(data, os.environ["LM_DATASETS"])


@functools.cache
def _load(data: DataConfig, folder: str) -> Corpus:
    return datasets.load(data)


def study_of(scale: str, corpora=CORPORA) -> Study:
    return Study(SCALES[scale], corpora, load)


def ends(store: RunStore) -> dict[str, int]:
    """When each complete run was last written to."""
    return {
        run.run_id: max(path.stat().st_mtime_ns for path in run.path.glob("*.json*"))
        for run in store.list()
        if run.state == "complete"
    }


@pytest.fixture(scope="module")
def short_corpora(real_corpora, tmp_path_factory) -> Path:
    """The beginnings of the texts: runs are short, and scoring them whole would take longer."""
    whole, short = Path(os.environ["LM_DATASETS"]), tmp_path_factory.mktemp("datasets")
    shakespeare = datasets.load_text(DataConfig())
    for name in CORPORA:
        (short / name).mkdir()
        for part, share in SHARE.items():
            file = whole / name / f"{part}.txt"
            text = file.read_text("utf-8") if file.exists() else getattr(shakespeare, part)
            lines = text.splitlines(keepends=True)
            beginning = "".join(lines[: int(share * len(lines))])
            (short / name / f"{part}.txt").write_text(beginning, "utf-8")
    return short


@pytest.fixture
def smoke(smoke_study, short_corpora, monkeypatch):
    """The smoke study, and its corpora in place of the whole ones."""
    monkeypatch.setenv("LM_DATASETS", str(short_corpora))
    return smoke_study


@pytest.fixture(scope="module")
def smoke_study(short_corpora, tmp_path_factory):
    """A smoke study that was killed at a random moment and started again."""
    folder = tmp_path_factory.mktemp("study")
    environment = {**os.environ, "LM_DATASETS": str(short_corpora)}
    store = RunStore(folder / "runs")
    command = [sys.executable, "-m", "lm", "study", "--scale", "smoke"]
    command += ["--runs-dir", str(store.root), "--out", str(folder)]
    first = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    enough = random.randint(1, 30)
    while first.poll() is None and len(ends(store)) < enough:
        time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = ends(store)
    second = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert second.returncode == 0, second.stderr
    return SimpleNamespace(
        folder=folder,
        store=store,
        before=before,
        report=(folder / "docs" / "report.md").read_text(encoding="utf-8"),
    )


def test_a_study_that_was_killed_repeats_no_finished_run(smoke):
    after = ends(smoke.store)
    assert smoke.before
    assert smoke.before.items() <= after.items()
    assert all(run.state == "complete" for run in smoke.store.list())


def test_every_section_and_figure_is_there(smoke):
    for title in SECTIONS.values():
        assert f"## {title}" in smoke.report
    shown = set(re.findall(r"\.\./figures/([\w-]+)\.png", smoke.report))
    drawn = {path.stem for path in (smoke.folder / "figures").glob("*.svg")}
    assert shown == drawn
    assert {"frontier", "context-length", "curves-linear", "frontier-ptb", "tokenizers"} <= shown
    assert drawn == {path.stem for path in (smoke.folder / "figures").glob("*.json")}
    for name in drawn:
        svg = (smoke.folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        png = (smoke.folder / "figures" / f"{name}.png").read_bytes()
        assert svg.startswith("<svg")
        assert svg.count("<path") > 5
        assert png.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", png[16:24])
        assert 1300 < width < 1650  # two pixels to a point of a README's width
        assert 400 < height < 1700


def cells(text: str, first: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_report_says_what_the_run_folders_say(smoke):
    """Read again here, from JSON alone."""
    table = smoke.report.split("Test log-likelihood, nats per character:\n\n")[1].split("\n\n")[0]
    losses: dict[tuple[str, float], list[float]] = {}
    for family in study_of("smoke").comparisons(tuned_factors(study_of("smoke"), smoke.store)):
        for label, _, config in family.runs if family.section == "frontier" else ():
            (path,) = [run.path for run in smoke.store.list() if run.config == config]
            test = json.loads((path / "status.json").read_text())["test"]
            losses.setdefault((family.architecture, label.value), []).append(
                test["total_nats"] / test["n_tokens"]
            )
    for architecture in ARCHITECTURES:
        shown = cells(table, architecture)[1:]
        for cell, budget in zip(
            shown, sorted(b for a, b in losses if a == architecture), strict=True
        ):
            values = losses[architecture, budget]
            assert cell.startswith(signed(-statistics.fmean(values)))
            if len(values) == 3:
                half = 4.302653 * statistics.stdev(values) / math.sqrt(3)
                assert cell.endswith(f"± {half:.3f}")
            else:
                assert cell.endswith("(1 seed)")


def test_the_published_results_are_set_against_ours_of_no_more_flops(smoke):
    for published in PUBLISHED:
        row = cells(smoke.report, published.name)
        assert row[1] == f"{published.test_loss:.3f}"
        ours = [
            run
            for run in smoke.store.list()
            if row[2] == f"**{run.status.test.loss:.3f} (1 seed)**"
            and (run.config.model.architecture, run.config.data.dataset)
            == (published.architecture, published.dataset)
        ]
        assert ours
        assert all(run.status.flops.total <= published.flops for run in ours)


def test_a_reader_meets_question_method_and_findings_first(smoke):
    headings = re.findall(r"^## (.+)$", smoke.report, flags=re.MULTILINE)
    assert headings[:3] == ["Question", "Method", "Findings"]
    assert headings[-1] == "Appendix"
    opening = smoke.report.split("## The coursework's takeaways")[0]
    assert len(opening.split()) < 1200
    assert "\n|" not in opening  # no table
    assert len(re.findall(r"figures/[\w-]+\.png", opening)) == 4
    assert "\n\n\n" not in re.sub(r"```.*?```", "sample", smoke.report, flags=re.DOTALL)


def test_long_tables_are_files_that_the_report_links(smoke):
    """Every value of every hyperparameter is in one, with what the run folders say."""
    linked = set(re.findall(r"\(report/([\w-]+\.csv)\)", smoke.report))
    folder = smoke.folder / "docs" / "report"
    assert (
        linked
        == {path.name for path in folder.iterdir()}
        == {
            "hyperparameters.csv",
            "learning-rates.csv",
            "runs.csv",
        }
    )
    rows = pd.read_csv(folder / "hyperparameters.csv")
    by_kind = {
        (knob.title, architecture): [str(value) for value in values[:2]]
        for knob in KNOBS
        for architecture, values in knob.values.items()
    }
    for kind, group in rows.groupby(["hyperparameter", "architecture"]):
        assert set(group["value"].astype(str)) <= set(by_kind[kind])
        best = group[group["chosen_on_validation"]]
        assert len(best) == 1
        assert best["val_loss"].item() == group["val_loss"].min()
    losses = {-run.status.test.loss for run in smoke.store.list() if run.status.test}
    assert all(
        any(math.isclose(score, loss, rel_tol=1e-5) for loss in losses)
        for score in rows["test_log_likelihood"]
    )
    rates = pd.read_csv(folder / "learning-rates.csv")
    assert set(ARCHITECTURES) <= set(rates["tuned"])
    for row in rates.itertuples():
        assert f"{row.rate:g}" in row.rates_tried.split()


def test_a_fifth_architecture_does_not_enlarge_the_coursework(real_corpora):
    before = [family.name for family in study_of("smoke").searches()]
    with REGISTERED.including(BIGRAM):
        assert [family.name for family in study_of("smoke").searches()] == before


def test_samples_continue_the_prompts(smoke):
    for prompt in (
        "HAMLET:",
        "the school announced that",
        "The history of machine learning begins",
    ):
        assert f"```text\n{prompt}" in smoke.report


def test_a_corpus_that_is_absent_is_left_out_and_the_report_says_so(smoke):
    results = gather(study_of("smoke", corpora=("tiny_shakespeare",)), smoke.store)
    made = figures.figures(results)
    assert "frontier" in made
    assert not [name for name in made if "ptb" in name]
    text = report(results, smoke.store, made)
    assert "Penn Treebank and WikiText-2" in text.split("## ")[0]


@pytest.mark.parametrize("n", [0, 1, 7])
def test_figures_are_drawn_from_whatever_is_complete(smoke, tmp_path, n):
    store = RunStore(tmp_path / "runs")
    for run in sorted(smoke.store.list(), key=lambda run: run.run_id[::-1])[:n]:
        shutil.copytree(run.path, store.root / run.run_id)
    results = gather(study_of("smoke"), store)
    made = figures.figures(results)
    assert bool(made) == bool(n)
    said = sentences(results)
    for name, figure in made.items():
        assert charts.to_svg(figure.printed, width=None).startswith("<svg")
        assert len(figures.shown(name, figure, said)["plots"]) == len(figure.plots) > 0
    assert set(said) <= set(made)
    text = report(results, store, made)
    assert set(re.findall(r"\.\./figures/([\w-]+)\.png", text)) <= set(made)
    assert "()" not in text


# --- choosing -----------------------------------------------------------------------------------


def test_what_chooses_has_no_result_on_test():
    assert not [item.name for item in fields(Validated) if "test" in item.name]


def test_choices_do_not_change_with_the_results_on_test(smoke, tmp_path):
    study = study_of("smoke")
    copy = RunStore(tmp_path / "runs")
    for run in smoke.store.list():
        (copy.root / run.run_id).mkdir(parents=True)
        for name in ("config.json", "status.json"):
            shutil.copy(run.path / name, copy.root / run.run_id / name)
        status = json.loads((run.path / "status.json").read_text())
        status["test"] = None
        (copy.root / run.run_id / "status.json").write_text(json.dumps(status))
    factors = tuned_factors(study, smoke.store)
    assert factors == tuned_factors(study, copy)
    families = [*study.searches(), *study.comparisons(factors)]
    assert best_checkpoints(families, smoke.store) == best_checkpoints(families, copy)


def row(value, factor, loss, seed=0) -> Validated:
    return Validated(run_id="", label=Label(value, factor), seed=seed, val_loss=loss)


def test_the_lowest_mean_is_chosen_and_a_rate_that_diverged_is_not():
    rows = [
        row(1, 1.0, 2.0),
        row(1, 1.0, 2.2, seed=1),
        row(1, 2.0, 2.05),
        row(1, 2.0, 2.05, seed=1),
    ]
    assert choose(rows) == Label(1, 2.0)
    assert choose([*rows, row(1, 4.0, 1.0), row(1, 4.0, None, seed=1)]) == Label(1, 2.0)
    assert choose([]) is None
    assert choose_each([*rows, row(8, 0.5, 3.0)]) == [Label(1, 2.0), Label(8, 0.5)]


# --- claiming -----------------------------------------------------------------------------------


def test_intervals_are_students():
    interval = Interval.of([1.0, 2.0, 3.0])
    assert interval.mean == 2
    assert interval.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    eleven = Interval.of([float(value) for value in range(11)])
    assert eleven.half_width == pytest.approx(2.228139, rel=1e-6)  # of 0 to 10 the deviation is √11


def test_a_difference_is_shown_where_intervals_of_three_seeds_are_apart():
    low, high = Interval.of([1.0, 1.01, 1.02]), Interval.of([2.0, 2.01, 2.02])
    assert difference(low, high).clear
    assert difference(low, high).mean == pytest.approx(1)
    assert not difference(low, Interval.of([1.02, 1.03, 1.04])).clear
    assert not difference(low, Interval.of([2.0])).clear
    assert not difference(low, Interval.of([2.0, 2.0])).clear


def test_claims_are_worded_by_what_is_shown():
    found = {
        "a": Interval.of([-1.0, -1.01, -1.02]),
        "b": Interval.of([-2.0, -2.01, -2.02]),
        "c": Interval.of([-1.0, -1.02, -1.03]),
        "d": Interval.of([-0.1, -0.11, -0.12]),
    }
    assert against_others("a", found, "nats") == (
        "a beats b by 1.000 ± 0.035 nats and is behind d by 0.900 ± 0.035 nats; "
        "no difference is shown from c"
    )
    assert against_others("a", {name: found[name] for name in "ac"}, "nats") == (
        "no difference is shown between a and c"
    )


def test_flops_are_written_as_powers_of_ten():
    assert [flops_text(flops) for flops in (1e8, 9.6e11, 3.123e12, 0.0)] == [
        "1e8",
        "9.6e11",
        "3.12e12",
        "0",
    ]


# --- scales, folders, shipping --------------------------------------------------------------------


def test_the_default_scale_fits_four_hours_of_two_cores(real_corpora, tmp_path):
    costs = running.plan_table(study_of("default"), RunStore(tmp_path))
    own = {title for section, title in SECTIONS.items() if section != "siblings"}
    assert {cost.title for cost in costs} == own  # the siblings' are chosen from the others
    assert sum(cost.flops for cost in costs) < 1e15  # at 37 GFLOP/s and core, 3.75 hours
    several = [run.config for cost in costs for run in cost.runs if run.config.training.seed == 2]
    assert len(several) > 100


def test_full_is_larger_and_every_run_of_it_can_be_trained(real_corpora, tmp_path):
    costs = running.plan_table(study_of("full"), RunStore(tmp_path))
    assert sum(cost.flops for cost in costs) > 2e15


def test_a_smoke_test_never_touches_what_ships(capsys, real_corpora):
    assert main(["study", "--scale", "smoke", "--out", str(ROOT)]) == BAD_INPUT
    assert main(["study", "--scale", "smoke", "--ship"]) == BAD_INPUT
    assert "never replaces what ships" in capsys.readouterr().err


def test_unknown_names_are_named(capsys):
    assert main(["study", "--scale", "tiny"]) == BAD_INPUT
    assert main(["study", "--datasets", "pbt"]) == BAD_INPUT
    assert "Did you mean ptb?" in capsys.readouterr().err


def test_what_ships_is_small_and_enough_to_write_the_report_again(smoke, tmp_path):
    study, target = study_of("smoke"), RunStore(tmp_path / "runs")
    running.ship(study, smoke.store, target)
    assert running.ship(study, smoke.store, target) == []
    shipped = target.list()
    assert len(shipped) == len(smoke.store.list())
    with_weights = [run for run in shipped if run.weights_path.exists()]
    assert len(with_weights) == len(PUBLISHED)  # four architectures, and two corpora of words
    assert not any(cost.n_left for cost in running.plan_table(study, target))
    made = {path.stem for path in (smoke.folder / "figures").glob("*.png")}
    again = report(gather(study, target), target, made)
    assert again.replace("`shipped-", "`") == smoke.report


def test_planning_and_reading_need_no_torch():
    code = "import sys, lm.study.running; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
