"""How long a step takes by each engine and by the textbook loop: a figure of docs/performance.md.

    python -m bench.steps

Times nanoGPT's model at rising sizes, the same one by all three, on one thread, in turns; writes
docs/performance-steps.csv and the picture beside it. A minute and a half on an idle machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import altair as alt
import pandas as pd
import torch

from bench.suite import N_TOKENS, Shape, config_of, our_steps, textbook_steps
from lm import charts
from lm.architectures import build_model
from lm.base.files import PROJECT
from lm.charts.axes import layered, powers_axis
from lm.runs.config import RunConfig
from lm.runs.plan import plan
from lm.training.compiled.steps import EAGER_STEPS, CompiledSteps
from lm.training.device import threads
from lm.training.loop import Batches, TrainingState
from lm.updates.optimizers import build_optimizers

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
    "textbook loop": charts.Look("#767676", dash=(2, 2), shape="diamond"),
    "eager engine": charts.Look("#D55E00", dash=(7, 3), shape="square"),
    "compiled engine": charts.Look("#0072B2"),
}
DOCS = PROJECT / "docs"


def compiled_steps(shape: Shape, config: RunConfig) -> Callable[[], int]:
    """A function that takes one call's steps by a compiled program, and says how many."""
    torch.manual_seed(0)
    model = build_model(config.model, shape.vocab_size)
    steps = plan(config, shape.vocab_size, N_TOKENS)
    optimizers = build_optimizers(model, config.training, steps.n_steps)
    state = TrainingState(model=model, optimizers=optimizers)
    token_ids = torch.randint(shape.vocab_size, (N_TOKENS,))
    batches = Batches(token_ids, config.model.lookback, config.sequence_length, seed=0)
    compiled = CompiledSteps(state, batches, config, steps, 1)
    for _ in compiled.prepare():
        pass
    done = EAGER_STEPS

    def take() -> int:
        nonlocal done
        results, _ = compiled.take(done + 1, steps.n_steps)
        done += len(results)
        return len(results)

    return take


def milliseconds(actions: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Milliseconds a step: the median of some turns, each of several calls."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(TURNS):
        for name, action in actions.items():
            n, started_at = 0, time.perf_counter()
            while time.perf_counter() - started_at < TURN_SECONDS:
                n += action()
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

            def one(take: Callable[[], None]) -> Callable[[], int]:
                def action() -> int:
                    take()
                    return 1

                return action

            textbook, eager, compiled = LOOKS
            times = milliseconds(
                {
                    textbook: one(textbook_steps(shape, config, 1, Path(folder))),
                    eager: one(our_steps(shape, config, 1, cores=1)),
                    compiled: compiled_steps(shape, config),
                }
            )
        for way, ms in times.items():
            rows.append({"shape": shape.name, "flops": flops, "way": way, "ms": round(ms, 4)})
            print(f"{shape.name:<18} {flops:10.3g} {way:<24} {ms:9.3f} ms", flush=True)
    return pd.DataFrame(rows)


def chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Milliseconds a step over the FLOPs of a step, both logarithmic."""
    names = list(LOOKS)
    x = alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", domain=[1.5e5, 4e10], nice=False),
        axis=powers_axis("FLOPs a step", values=[10.0**power for power in range(6, 11)]),
    )
    y = alt.Y(
        "ms:Q",
        scale=alt.Scale(type="log", domain=[0.03, 500], nice=False),
        axis=alt.Axis(
            title="Milliseconds a step", values=[0.1, 1, 10, 100], format="~g", gridColor="#e6e6e6"
        ),
    )

    def scale(values: Sequence[str | list[float]]) -> alt.Scale:
        return alt.Scale(domain=names, range=values)

    base = alt.Chart(frame).encode(
        x=x,
        y=y,
        color=alt.Color("way:N", scale=scale([look.color for look in LOOKS.values()]), legend=None),
    )
    line = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash(
            "way:N",
            scale=scale([list(map(float, look.dash)) for look in LOOKS.values()]),
            legend=None,
        )
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        shape=alt.Shape("way:N", scale=scale([look.shape for look in LOOKS.values()]), legend=None)
    )
    first = frame.sort_values("flops").groupby("way", sort=False).head(1)
    labels = [
        alt.Chart(first[first["way"] == way])
        .mark_text(align="left", dx=8, dy=dy, fontSize=13, fontWeight=600, color=LOOKS[way].color)
        .encode(x=x, y=y, text="way:N")
        for way, dy in zip(names, (-14, 17, 17), strict=True)
    ]
    return layered(line, points, *labels).properties(height=380)


def main() -> None:
    """Measure, and write the table and the picture."""
    frame = measure()
    frame.to_csv(DOCS / "performance-steps.csv", index=False)
    (DOCS / "performance-steps.png").write_bytes(charts.to_png(chart(frame).properties(width=640)))


if __name__ == "__main__":
    main()
