"""Threads per run against runs at a time: what serves a sweep best on this machine?

    python -m bench.sweep_workers

Trains the same runs through the local executor, shared out in different ways, and prints how
many would be done in an hour, which wants an idle machine; and the processor time of one run,
which other load disturbs less. Takes some minutes.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

from lm.architectures import DEFAULT
from lm.base.machine import n_cores
from lm.jobs import JobQueue
from lm.jobs.sweeps import Sweep, expand, run_sweep
from lm.runs import RunStore
from lm.runs.config import RunConfig
from lm.runs.prepare import prepare
from lm.training import execute

N_RUNS = 4
REPEATS = 2
STEPS = {1e11: 300, 1e12: 60, 1e13: 8}  # budget -> steps of its model: some seconds a run
BASE = {"dataset": "known_entropy", "data.n_chars": 20_000, "architecture": DEFAULT}


def configs(budget: float, threads: int) -> list[RunConfig]:
    """Short runs, with the model and the batch size that a budget gets."""
    (sized,) = expand(Sweep(name="size", base={**BASE, "budget": budget}))
    shape = sized.model.model_dump(exclude={"architecture"})
    base = {**BASE, **{f"model.{name}": value for name, value in shape.items()}}
    for name in ("batch_size", "optimizer"):
        base[f"training.{name}"] = getattr(sized.training, name)
    base |= {"steps": STEPS[budget], "training.threads": threads}
    seeds = [{"seed": seed} for seed in range(N_RUNS)]
    return expand(Sweep(name="bench", base=base, axes={"seed": seeds}))


def runs_per_hour(budget: float, threads: int, workers: int) -> float:
    """How many such runs would be done in an hour, by workers that have loaded torch already."""
    queue = JobQueue(workers=workers)
    queue.warm()
    time.sleep(3)
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.monotonic()
        result = run_sweep(configs(budget, threads), RunStore(Path(folder)), queue)
        elapsed = time.monotonic() - started_at
    queue.close()
    assert len(result.complete) == N_RUNS, result
    return 3600 * N_RUNS / elapsed


def processor_seconds(budget: float, threads: int) -> float:
    """The processor time of all threads for one run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(configs(budget, threads)[0], RunStore(Path(folder)))
        before = time.process_time()
        execute(run)
        return time.process_time() - before


def main() -> None:
    """Print a table for each size of model."""
    cores = n_cores()
    shares = [(1, 1), (1, cores), (cores, 1)]
    processor_seconds(1e11, 1)  # imports
    print(f"{cores} processors, load {os.getloadavg()[0]:.1f}; medians of {REPEATS}")
    for budget in STEPS:
        speeds: dict[tuple[int, int], list[float]] = {share: [] for share in shares}
        times: dict[int, list[float]] = {1: [], cores: []}
        for _ in range(REPEATS):  # in turns, so that other load falls on all alike
            for share in shares:
                speeds[share].append(runs_per_hour(budget, *share))
            for threads, values in times.items():
                values.append(processor_seconds(budget, threads))
        print(f"\nmodel for {budget:.0e} FLOPs\nthreads  at a time  runs per hour  relative")
        best = median(speeds[1, cores])
        for (threads, workers), values in speeds.items():
            speed = median(values)
            print(f"{threads:7}  {workers:9}  {speed:13,.0f}  {speed / best:8.2f}")
        ratio = median(times[cores]) / median(times[1])
        print(f"processor time of a run on {cores} threads: {ratio:.2f} times that on one")


if __name__ == "__main__":
    main()
