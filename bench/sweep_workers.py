"""Threads per run against runs at a time: what serves a sweep best on this machine?

    python bench/sweep_workers.py

Trains the same runs through the local executor, shared out in different ways, and prints how
many would be done in an hour. It wants an otherwise idle machine, and takes some minutes.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from lm.experiment import n_cores
from lm.jobs import JobQueue
from lm.runs import RunStore
from lm.sweep import Sweep, expand, run_sweep

N_RUNS = 4
REPEATS = 2
STEPS = {1e11: 300, 1e12: 75, 1e13: 20}  # of the model for a budget: some seconds a run


def seconds(budget: float, threads: int, workers: int) -> float:
    """Wall time of `N_RUNS` trainings on warm workers."""
    size = expand(Sweep(name="size", base={**BASE, "budget": budget}))[0]
    shape = {f"model.{name}": value for name, value in size.model.model_dump().items()}
    del shape["model.architecture"]
    recipe = {
        f"training.{name}": getattr(size.training, name) for name in ("batch_size", "optimizer")
    }
    base = {**BASE, **shape, **recipe, "steps": STEPS[budget], "training.threads": threads}
    configs = expand(
        Sweep(name="bench", base=base, axes={"seed": [{"seed": i} for i in range(N_RUNS)]})
    )
    queue = JobQueue(workers=workers)
    with tempfile.TemporaryDirectory() as folder:
        queue.warm()
        time.sleep(4)
        started_at = time.monotonic()
        result = run_sweep(configs, RunStore(Path(folder)), queue)
        elapsed = time.monotonic() - started_at
        assert len(result.complete) == N_RUNS, result
    queue.close()
    return elapsed


BASE = {
    "dataset": "known_entropy",
    "data.n_chars": 20_000,
    "architecture": "transformer",
}


def main() -> None:
    """Print a table."""
    cores = n_cores()
    print(f"{cores} processors, load {os.getloadavg()[0]:.1f}; median of {REPEATS}\n")
    shares = sorted({(1, 1), (1, cores), (cores, 1), (1, 2 * cores), (cores, cores)})
    print("model for  threads  at a time  runs per hour  against one thread, all processors")
    for budget in STEPS:
        times: dict[tuple[int, int], list[float]] = {share: [] for share in shares}
        for _ in range(REPEATS):  # in turns, so that other load falls on all alike
            for share in shares:
                times[share].append(seconds(budget, *share))
        reference = median(times[1, cores])
        for (threads, workers), values in times.items():
            speed = 3600 * N_RUNS / median(values)
            print(
                f"{budget:9.0e}  {threads:7}  {workers:9}  {speed:13,.0f}  "
                f"{reference / median(values):.2f}"
            )


if __name__ == "__main__":
    main()
