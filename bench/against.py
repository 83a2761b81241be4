"""What has become faster since another commit: both trees train the same, in turn.

    LM_DATASETS=… python -m bench.against COMMIT [WHAT …]

WHAT is any of recipes, study, nanogpt, large and sweep; unless said otherwise, all. Each is a part
of the table in docs/performance.md, whose rows are printed as they are done. The other commit is
checked out into a folder of its own and runs in this environment. All of it takes half an hour of
two cores, which should be idle. Only the sweep's rows include the making of a program, once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.files import PROJECT

PARTS = ("recipes", "study", "nanogpt", "large", "sweep")
SEEDS = (0, 1, 2)
SIMPLEST = next(iter(ARCHITECTURES))
UNITS = {"step": "ms a step", "training": "s", "whole": "s"}
N_SWEPT, N_WANTED = (40, 120), 1_000  # runs of the sweep: trained then and now, and reported
SWEEP = f"""
[base]
dataset = "tiny_shakespeare"
architecture = "{DEFAULT}"
preset = "study"
budget = 1e10
[axes]
"""


@dataclass(frozen=True)
class Tree:
    """A checkout, with a folder for its runs."""

    root: Path
    runs: Path

    def run(self, *arguments: str) -> tuple[str, float]:
        """The output of a command, and the seconds that it takes."""
        environment = {**os.environ, "LM_RUNS_DIR": str(self.runs)}
        environment["LM_CACHE"] = str(self.runs / "programs")
        environment.pop("PYTHONPATH", None)
        started_at = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "lm", *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - started_at
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)} in {self.root}: {done.stderr[-500:]}")
        return done.stdout, seconds

    def train(self, settings: Mapping[str, object], seed: int) -> dict[str, float]:
        """One run: milliseconds a step, seconds of training and of the command, loss."""
        arguments = [
            f"--set={name}={value}" if "." in name else f"--{name}={value}"
            for name, value in {**settings, "training.seed": seed}.items()
        ]
        printed, seconds = self.run("train", "--json", *arguments)
        result = json.loads(printed.splitlines()[-1])
        return {
            "step": 1_000 * result["seconds"] / result["steps"],
            "training": result["seconds"],
            "whole": seconds,
            "loss": result["val_loss"],
        }


def row(what: str, then: float, now: float, unit: str, losses: str = "") -> None:
    """Print a row of the table."""
    figures = f"{then:.3g} {unit} | {now:.3g} {unit} | {then / now:.1f}"
    print(f"| {what} | {figures} | {losses} |", flush=True)


def compare(
    trees: Sequence[Tree],
    what: str,
    settings: Mapping[str, object],
    seeds: Sequence[int],
    figure: str,
) -> None:
    """Train the same in both trees, in turn over the seeds, and print a figure of `UNITS`."""
    if figure != "training":  # of a run of minutes, beside which a program costs nothing
        for tree in trees:
            tree.train(settings, seeds[0])  # makes the program
    runs = [[tree.train(settings, seed) for tree in trees] for seed in seeds]
    then, now = (mean(run[figure] for run in of_tree) for of_tree in zip(*runs, strict=True))
    losses = (mean(run["loss"] for run in of_tree) for of_tree in zip(*runs, strict=True))
    row(what, then, now, UNITS[figure], ", ".join(f"{loss:.4f}" for loss in losses))


def cases() -> Iterator[tuple[str, str, Mapping[str, object], Sequence[int], str]]:
    """What is trained in both trees: the part and the title of a row; settings, seeds, figure."""
    for budget, seeds in (("1e10", SEEDS), ("1e11", SEEDS), ("1e12", SEEDS[:1])):
        for name in ARCHITECTURES:
            settings = {"architecture": name, "training.budget": budget}
            yield "recipes", f"default {name}, {budget}", settings, seeds, "step"
    for budget in ("1e10", "1e11"):
        settings = {"architecture": DEFAULT, "preset": "study", "training.budget": budget}
        yield "study", f"study's {DEFAULT}, {budget}", settings, SEEDS, "step"
    nanogpt = {"data.split": "nanogpt"}
    settings = {"architecture": SIMPLEST, "training.budget": "5.5e9", **nanogpt}
    title = "1.8857, nanoGPT's loss on its split: command to score"
    yield "nanogpt", title, settings, SEEDS, "whole"
    settings = {"architecture": DEFAULT, "training.budget": "1e13", **nanogpt}
    title = f"default {DEFAULT}, 1e13, nanoGPT's split"
    yield "large", title, settings, SEEDS[:1], "training"


def sweep(trees: Sequence[Tree]) -> None:
    """Many small runs, two at a time."""
    minutes: list[float] = []
    megabytes: list[float] = []
    for tree, n_runs in zip(trees, N_SWEPT, strict=True):
        apart = Tree(tree.root, tree.runs / "swept")
        apart.runs.mkdir(parents=True, exist_ok=True)
        file = apart.runs / "many.toml"
        file.write_text(SWEEP + f"seed = {list(range(n_runs))}", encoding="utf-8")
        _, seconds = apart.run("sweep", str(file))
        minutes.append(seconds * N_WANTED / n_runs / 60)
        size = sum(path.stat().st_size for path in apart.runs.glob(f"{DEFAULT}-*/*"))
        megabytes.append(size / 1e6 * N_WANTED / n_runs)
    what = f"{N_WANTED:,} runs of the study's {DEFAULT} at 1e10, by {N_SWEPT[0]} and {N_SWEPT[1]}"
    row(what, minutes[0], minutes[1], "min")
    row(f"{what}: on disk", megabytes[0], megabytes[1], "MB")


def main() -> None:
    """Print the rows."""
    commit, *names = sys.argv[1:]
    print("| what | then | now | times as fast | validation loss, then and now |")
    print("|---|--:|--:|--:|---|")
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder, "then")
        there.mkdir()
        archive = subprocess.check_output(["git", "archive", commit], cwd=PROJECT)
        subprocess.run(["tar", "-x", "-C", there], input=archive, check=True)
        trees = Tree(there, Path(folder, "runs-then")), Tree(PROJECT, Path(folder, "runs-now"))
        for part, title, settings, seeds, figure in cases():
            if part in (names or PARTS):
                compare(trees, title, settings, seeds, figure)
        if "sweep" in (names or PARTS):
            sweep(trees)


if __name__ == "__main__":
    main()
