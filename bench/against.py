"""What has become faster since another commit: both trees train the same, in turn.

    LM_DATASETS=… python -m bench.against COMMIT [WHAT …]

WHAT is any of recipes, study, large, nanogpt and sweep; unless said otherwise, all. Each is a part
of the table in docs/performance.md, whose rows are printed as they are done. The other commit is
checked out into a folder of its own and runs in this environment. All of it takes half an hour of
two cores, which should be idle.

What it takes to make a program is left out of all rows but the sweep's, where it is paid once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from lm.architectures import ARCHITECTURES, DEFAULT
from lm.base.files import PROJECT

SEEDS = (0, 1, 2)
SIMPLEST = next(iter(ARCHITECTURES))
N_SWEPT, N_WANTED = (40, 120), 1_000  # of which then and now
SWEEP = f"""
[base]
dataset = "tiny_shakespeare"
architecture = "{DEFAULT}"
preset = "study"
budget = 1e10
[axes]
"""
NANOGPT_LOSS = 1.8857
LADDER_TO_NANOGPT = ("5e9", "5.5e9", "6e9", "7e9")


@dataclass(frozen=True)
class Tree:
    """A checkout, with a folder for its runs."""

    root: Path
    runs: Path

    def run(self, *arguments: str) -> tuple[str, float]:
        """What a command of it prints, and the seconds that it takes."""
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

    def train(self, settings: Mapping[str, object]) -> Trained:
        """One run by settings as the command line names them."""
        arguments = [
            f"--set={name}={value}" if "." in name else f"--{name}={value}"
            for name, value in settings.items()
        ]
        printed, seconds = self.run("train", "--json", *arguments)
        result = json.loads(printed.splitlines()[-1])
        return Trained(
            ms=1_000 * result["seconds"] / result["steps"],
            training=result["seconds"],
            whole=seconds,
            loss=result["val_loss"],
        )


@dataclass(frozen=True)
class Trained:
    """What a run took and came to."""

    ms: float  # a step
    training: float  # seconds
    whole: float  # seconds, from the command to the score
    loss: float


@contextmanager
def both(commit: str) -> Iterator[tuple[Tree, Tree]]:
    """The other commit's tree, and this one."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        archive = subprocess.run(
            ["git", "archive", commit], cwd=PROJECT, check=True, capture_output=True
        ).stdout
        (there / "then").mkdir()
        subprocess.run(["tar", "-x", "-C", there / "then"], input=archive, check=True)
        yield Tree(there / "then", there / "runs-then"), Tree(PROJECT, there / "runs-now")


def row(what: str, then: float, now: float, unit: str, more: str) -> None:
    """Print a row of the table."""
    print(
        f"| {what} | {then:.3g} {unit} | {now:.3g} {unit} | {then / now:.1f} | {more} |", flush=True
    )


def compare(
    then: Tree, now: Tree, what: str, seeds: Sequence[int], settings: Mapping[str, object]
) -> None:
    """Train the same in both, in turn over the seeds, and print milliseconds a step."""
    now.train({**settings, "training.seed": seeds[0]})  # the program is there from now on
    old: list[Trained] = []
    new: list[Trained] = []
    for seed in seeds:
        old.append(then.train({**settings, "training.seed": seed}))
        new.append(now.train({**settings, "training.seed": seed}))
    losses = [mean(run.loss for run in runs) for runs in (old, new)]
    ms = [mean(run.ms for run in runs) for runs in (old, new)]
    row(what, ms[0], ms[1], "ms a step", f"{losses[0]:.4f}, {losses[1]:.4f}")


def recipes(then: Tree, now: Tree) -> None:
    """The default recipes."""
    for budget, seeds in (("1e10", SEEDS), ("1e11", SEEDS), ("1e12", SEEDS[:1])):
        for name in ARCHITECTURES:
            settings = {"architecture": name, "training.budget": budget}
            compare(then, now, f"default {name}, {budget}", seeds, settings)


def study(then: Tree, now: Tree) -> None:
    """The study's transformer."""
    for budget in ("1e10", "1e11"):
        settings = {"architecture": DEFAULT, "preset": "study", "training.budget": budget}
        compare(then, now, f"study's {DEFAULT}, {budget}", SEEDS, settings)


def large(then: Tree, now: Tree) -> None:
    """A default run that takes minutes."""
    settings = {"architecture": DEFAULT, "training.budget": "1e13", "data.split": "nanogpt"}
    old, new = then.train(settings), now.train(settings)
    losses = f"{old.loss:.4f}, {new.loss:.4f}"
    row(f"default {DEFAULT}, 1e13, nanoGPT's split", old.training, new.training, "s", losses)


def nanogpt(then: Tree, now: Tree) -> None:
    """From the command to a score below nanoGPT's on its split."""
    (old, by_old), (new, by_new) = _enough(then), _enough(now)
    what = f"{NANOGPT_LOSS} on nanoGPT's split, command to score"
    row(what, old, new, "s", f"{by_old}, {by_new}")


def _enough(tree: Tree) -> tuple[float, str]:
    """Seconds of the smallest budget that does, and what it reached."""
    for budget in LADDER_TO_NANOGPT:
        settings = {"architecture": SIMPLEST, "training.budget": budget, "data.split": "nanogpt"}
        tree.train(settings)  # the program is there from now on
        runs = [tree.train({**settings, "training.seed": seed}) for seed in SEEDS]
        loss = mean(run.loss for run in runs)
        if loss <= NANOGPT_LOSS:
            return mean(run.whole for run in runs), f"{loss:.4f} at {budget}"
    raise RuntimeError(f"{LADDER_TO_NANOGPT[-1]} FLOPs are not enough.")


def sweep(then: Tree, now: Tree) -> None:
    """Many small runs, two at a time."""
    minutes: list[float] = []
    megabytes: list[float] = []
    for tree, n_runs in zip((then, now), N_SWEPT, strict=True):
        apart = Tree(tree.root, tree.runs / "swept")
        apart.runs.mkdir(parents=True, exist_ok=True)
        file = apart.runs / "many.toml"
        file.write_text(SWEEP + f"seed = {list(range(n_runs))}", encoding="utf-8")
        _, seconds = apart.run("sweep", str(file))
        minutes.append(seconds * N_WANTED / n_runs / 60)
        size = sum(path.stat().st_size for path in apart.runs.glob(f"{DEFAULT}-*/*"))
        megabytes.append(size / 1e6 * N_WANTED / n_runs)
    what = f"{N_WANTED:,} runs of the study's {DEFAULT} at 1e10, by {N_SWEPT[0]} and {N_SWEPT[1]}"
    row(what, minutes[0], minutes[1], "min", "")
    row(f"{what}: on disk", megabytes[0], megabytes[1], "MB", "")


PARTS = {part.__name__: part for part in (recipes, study, nanogpt, sweep, large)}


def main() -> None:
    """Print the rows."""
    commit, *names = sys.argv[1:]
    print("| what | then | now | times as fast | validation loss, then and now |")
    print("|---|--:|--:|--:|---|")
    with both(commit) as (then, now):
        for name in names or PARTS:
            PARTS[name](then, now)


if __name__ == "__main__":
    main()
