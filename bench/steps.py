"""How long a step takes by each engine and by the textbook loop: a figure of docs/performance.md.

    python -m bench.steps

Times nanoGPT's model at rising sizes, the same one by all three, on one thread, in turns; writes
docs/performance-steps.csv and the picture beside it. A minute and a half on an idle machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from bench.suite import N_TOKENS, Shape, config_of, our_steps, textbook_steps
from lm import charts
from lm.architectures import build_model
from lm.base.files import PROJECT
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.training.device import threads
from lm.training.engines.compiled.engine import EAGER_STEPS, Compiled

# width, layers, heads, positions, rows
SIZES = (
    (8, 1, 1, 8, 4),
    (16, 1, 1, 16, 8),
    (24, 1, 2, 32, 8),
    (32, 2, 2, 32, 8),
    (48, 2, 2, 48, 16),
    (64, 2, 4, 64, 16),
    (96, 3, 4, 64, 24),
    (128, 4, 4, 128, 32),
)
TURNS, TURN_SECONDS = 5, 0.4
LOOKS = {
    "textbook loop": charts.Look("#767676", (2, 2), "diamond", "textbook loop"),
    "eager engine": charts.Look("#D55E00", (7, 3), "square", "eager engine"),
    "compiled engine": charts.Look("#0072B2", label="compiled engine"),
}
DOCS = PROJECT / "docs"


def compiled_steps(shape: Shape, config: RunConfig) -> Callable[[], int]:
    """A function that takes one call's steps by a compiled program, and says how many."""
    torch.manual_seed(0)
    model = build_model(config.model, shape.vocab_size)
    engine = Compiled(model, config, torch.randint(shape.vocab_size, (N_TOKENS,)), 1)
    engine.prepare()
    engine.step = EAGER_STEPS
    return lambda: len(engine.take(engine.plan.n_steps).learning_rates)


def milliseconds(actions: dict[str, Callable[[], int | None]]) -> dict[str, float]:
    """Milliseconds a step: the median of some turns, each of several calls.

    An action takes a step, or returns how many it took.
    """
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(TURNS):
        for name, action in actions.items():
            n, started_at = 0, time.perf_counter()
            while time.perf_counter() - started_at < TURN_SECONDS:
                n += action() or 1
            taken[name].append(1e3 * (time.perf_counter() - started_at) / n)
    return {name: median(each) for name, each in taken.items()}


def measure() -> pd.DataFrame:
    """A row per size and way."""
    rows: list[dict[str, object]] = []
    for d, layers, heads, length, batch in SIZES:
        sizes = {"d_model": d, "d_ff": 4 * d, "n_layers": layers, "n_heads": heads}
        shape = Shape(
            f"d{d} L{layers} T{length} B{batch}",
            preset="nanogpt",
            batch_size=batch,
            model={**sizes, "context_length": length},
        )
        config = config_of(shape)
        config = config.replace(training=config.training.replace(steps=1_000_000, threads=1))
        flops = plan(config, shape.vocab_size, N_TOKENS).step.total
        with tempfile.TemporaryDirectory() as folder, threads(1):
            textbook = textbook_steps(shape, config, 1, Path(folder))
            eager = our_steps(shape, config, 1, cores=1)
            actions = (textbook, eager, compiled_steps(shape, config))
            times = milliseconds(dict(zip(LOOKS, actions, strict=True)))
        for way, ms in times.items():
            rows.append({"shape": shape.name, "flops": flops, "way": way, "ms": round(ms, 4)})
            print(f"{shape.name:<18} {flops:10.3g} {way:<24} {ms:9.3f} ms", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, and write the table and the picture."""
    frame = measure()
    frame.to_csv(DOCS / "performance-steps.csv", index=False)
    panel = charts.Panel(
        frame=frame.rename(columns={"flops": "x", "ms": "y", "way": "series"}),
        x_title="FLOPs a step",
        y_title="Milliseconds a step",
        log_x=True,
        log_y=True,
        exact=True,
    )
    figure = charts.spread_figure([panel], LOOKS, height=380)
    (DOCS / "performance-steps.png").write_bytes(charts.to_png(figure))


if __name__ == "__main__":
    main()
