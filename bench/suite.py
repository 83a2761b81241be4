"""How fast everything is, each figure beside a reference measured in the same process.

    python -m lm bench

Ratios are what counts, since the reference feels the same machine and the same load. A training
step is compared with this machine's peak, a large matrix product, and with a textbook loop where
both train the same model. Quote figures from an idle machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from bench import textbook
from lm.architectures import ARCHITECTURES, DEFAULT, build_model
from lm.architectures.shared.model import LanguageModel
from lm.architectures.shared.products import fast_products
from lm.base.machine import use_one_blas_thread
from lm.datasets import Split
from lm.datasets.config import DataConfig
from lm.jobs import JobQueue
from lm.runs import RunStore, presets, recipes
from lm.runs.config import RunConfig
from lm.runs.engines import eager_threads
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.training.device import keep_memory, threads
from lm.training.engines.divided import Divided, can_fork
from lm.training.engines.eager import Eager
from lm.training.evaluation import evaluate
from lm.training.loop import Training
from lm.training.meter import measured_step_flops
from lm.writing.generation import as_decoder, generate, generate_several
from lm.writing.sampling import Sampling

N_TOKENS = 300_000  # of invented text
TURNS = 5
FLOPS_IN_A_TURN = 3e10  # several steps, as in a run: the first after other work is slower


@dataclass(frozen=True)
class Row:
    """A measurement beside its reference."""

    what: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None  # how many times as good as the reference
    target: str = ""


def seconds(action: Callable[[], Any]) -> float:
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def in_turns(**actions: Callable[[], Any]) -> dict[str, float]:
    """The median seconds that each takes, in turns, so that other load slows all alike."""
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(TURNS):
        for name, action in actions.items():
            times[name].append(seconds(action))
    return {name: median(values) for name, values in times.items()}


# --- training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """A training step to be timed."""

    name: str
    architecture: str = DEFAULT
    vocab_size: int = 65
    batch_size: int | None = None
    preset: str = "study"  # whose sizes stay as they are
    budget: float | None = None
    model: dict[str, Any] | None = None
    textbook: bool = False  # whether the textbook loop trains the same model


NANOGPT = Shape("nanoGPT's d128 L4 T64 B12", preset="nanogpt", textbook=True)
SHAPES = (
    Shape(f"{DEFAULT} d32 L2 T32 B8", budget=1e11),
    Shape(f"{DEFAULT} d64 L2 T64 B16", budget=1e12),
    NANOGPT,
    Shape(f"{DEFAULT} d128 L4 T128 B32", budget=3e13),
    Shape(
        "nanoGPT's d384 L6 T256 B8",
        preset="nanogpt",
        batch_size=8,
        model={"d_model": 384, "d_ff": 1536, "n_layers": 6, "n_heads": 6, "context_length": 256},
        textbook=True,
    ),
    *(
        Shape(f"{name}, for 1e12", name, preset=presets.DEFAULT, budget=1e12)
        for name in ARCHITECTURES
        if name != DEFAULT
    ),
)


def config_of(shape: Shape) -> RunConfig:
    training = {"batch_size": shape.batch_size} if shape.batch_size else {}
    horizon: dict[str, Any] = {"budget": shape.budget} if shape.budget else {"steps": 1000}
    no_dropout = {"dropout": 0.0} if "d_model" in ARCHITECTURES[shape.architecture].settings else {}
    return recipes.resolve(
        architecture=shape.architecture,
        preset=shape.preset,
        data=DataConfig(),
        vocab_size=shape.vocab_size,
        n_train_tokens=N_TOKENS,
        model={**no_dropout, **(shape.model or {})},
        training=training,
        **horizon,
    )


def our_steps(
    shape: Shape, config: RunConfig, n: int, cores: int | None = None, forks: bool = True
) -> Callable[[], None]:
    """A function that takes `n` steps of the loop that trains runs, on so many cores.

    None: as many as a run of this size gets. `forks`: share the rows among processes, if possible.
    """
    torch.manual_seed(0)
    model = build_model(config.model, shape.vocab_size)
    token_ids = torch.randint(shape.vocab_size, (N_TOKENS,))
    cores = cores or eager_threads(plan(config, shape.vocab_size, N_TOKENS).step.total)
    divided = cores > 1 and forks and can_fork(token_ids.device)
    arguments = (model, config, token_ids)
    calls = Training(Divided(*arguments, cores) if divided else Eager(*arguments)).run()

    def take() -> None:
        with threads(1 if divided else cores):
            for _ in range(n):
                if next(calls, None) is None:
                    raise RuntimeError("The benchmark took more steps than the run has.")

    return take


def textbook_steps(shape: Shape, config: RunConfig, n: int, folder: Path) -> Callable[[], None]:
    model: Any = config.model  # of a transformer
    file = folder / "tokens.bin"
    np.random.default_rng(0).integers(shape.vocab_size, size=N_TOKENS, dtype=np.uint16).tofile(file)
    length = model.context_length
    gpt = textbook.GPT(shape.vocab_size, model.d_model, model.n_layers, model.n_heads, length)
    loop = textbook.Loop(gpt, file, config.training.batch_size, length)

    def steps() -> None:
        for _ in range(n):
            loop.step()

    return steps


def training_rows(folder: Path) -> Iterator[Row]:
    a, gemm = torch.randn(1024, 1024), 2 * 1024**3

    def fastest() -> None:
        with fast_products():
            torch.mm(a, a)

    for shape in SHAPES:
        config = config_of(shape)
        rounded = config.replace(training=config.training.replace(precision="bfloat16"))
        steps = plan(config, shape.vocab_size, N_TOKENS)
        n = max(2, min(50, round(FLOPS_IN_A_TURN / steps.step.total)))
        cores = torch.get_num_threads() if shape.textbook else None  # as many as it has
        actions = {
            "ours": our_steps(shape, config, n, cores),
            "bfloat16": our_steps(shape, rounded, n, cores),
            "peak": fastest,
            "pytorch": lambda: a @ a,
        }
        if shape.textbook:
            actions["textbook"] = textbook_steps(shape, config, n, folder)
        times = in_turns(**actions)
        what, ours = f"training step: {shape.name}", times["ours"] / n
        peaks = {"peak": "GEMM peak"}
        if shape.textbook:
            peaks["pytorch"] = "PyTorch's own GEMM"
        for name, title in peaks.items():
            peak = gemm / times[name]
            reference = f"{title}, {peak / 1e9:.0f} GFLOP/s"
            target = "≥ 0.55" if name == "pytorch" and shape.batch_size is None else ""
            yield Row(what, 1e3 * ours, "ms", reference, steps.step.total / ours / peak, target)
        if shape.textbook:
            reference = f"textbook loop, {1e3 * times['textbook'] / n:.1f} ms"
            yield Row(what, 1e3 * ours, "ms", reference, times["textbook"] / times["ours"], "≥ 1.5")
        reference = f"in float32, {1e3 * ours:.1f} ms"
        ratio = times["ours"] / times["bfloat16"]
        yield Row(f"{what}, in bfloat16", 1e3 * times["bfloat16"] / n, "ms", reference, ratio)


def vocabulary_rows() -> Iterator[Row]:
    """A step on WikiText-2's full vocabulary, with the plain softmax beside it."""
    from lm.architectures.shared import heads, products

    sizes = {"d_model": 128, "n_layers": 2, "context_length": 64, "n_heads": 4, "d_ff": 512}
    name, vocab_size = "d128 L2, 1,024 words of 33,278", 33_278
    shape, two_level = (
        Shape(name, vocab_size=vocab_size, batch_size=16, model={**sizes, "output": output})
        for output in ("softmax", "two_level")
    )
    ours = our_steps(shape, config_of(shape), 1)
    plain = our_steps(shape, config_of(shape), 1, cores=torch.get_num_threads(), forks=False)

    def plainly() -> None:
        by_pytorch = patch.object(products, "LARGE_PRODUCT", 10**18)  # by its own GEMM
        with patch.object(heads, "LARGE_VOCAB_SIZE", 10**9), by_pytorch:
            plain()

    other = our_steps(two_level, config_of(two_level), 1)
    times = in_turns(ours=ours, two_level=other, plain=plainly)
    reference = f"PyTorch's plain softmax, {1e3 * times['plain']:.0f} ms"
    for name, more, target in (("ours", "", ""), ("two_level", ", two-level", "≥ 5")):
        what, ratio = f"training step: {shape.name}{more}", times["plain"] / times[name]
        yield Row(what, 1e3 * times[name], "ms", reference, ratio, target)


def meter_row() -> Row:
    shape = NANOGPT
    config = config_of(shape)
    run = 1000 * in_turns(step=our_steps(shape, config, 5))["step"] / 5
    sizes = {"batch_size": config.training.batch_size, "sequence_length": config.sequence_length}
    measured_step_flops.cache_clear()
    count = seconds(
        lambda: measured_step_flops(config.model, shape.vocab_size, config.training, **sizes)
    )
    reference = f"a run of 1,000 such steps, {run:.0f} s"
    return Row("counting a step's FLOPs", count, "s", reference, count / run, "< 0.005")


# --- evaluation and writing -----------------------------------------------------------------------


def a_model(shape: Shape) -> LanguageModel:
    model = build_model(config_of(shape).model, shape.vocab_size).eval()
    with torch.no_grad():
        model.head.weight.normal_(std=0.1)
    return model


def evaluation_row() -> Row:
    model = a_model(Shape("", budget=1e12))
    token_ids = np.random.default_rng(0).integers(65, size=50_000)
    split = Split(token_ids, n_chars=len(token_ids))
    rows = torch.zeros(64, model.config.context_length, dtype=torch.long)
    forward = torch.inference_mode()(lambda: model(rows))
    times = in_turns(ours=lambda: evaluate(model, split), forward=forward)
    ours = len(token_ids) / times["ours"]
    bare = rows.numel() / times["forward"] / 2  # scoring reads every token twice
    reference = f"bare forward passes over as many rows, {bare:,.0f} tokens/s"
    return Row("scoring a split, d64 L2", ours, "tokens/s", reference, ours / bare)


def decoding_rows() -> Iterator[Row]:
    sizes = {"d_model": 128, "n_layers": 4, "n_heads": 4}
    model = a_model(Shape("", budget=1e13, model=sizes))
    decoder, n = as_decoder(model), 400
    several = [Sampling(seed=seed) for seed in range(16)]
    window = torch.zeros(1, model.config.context_length, dtype=torch.long)

    @torch.inference_mode()
    def whole_window() -> None:
        for _ in range(20):
            torch.multinomial(model(window)[0, -1].softmax(-1), 1)

    times = in_turns(
        ours=lambda: list(generate(decoder, [0], n, Sampling())),
        window=whole_window,
        batch=lambda: list(generate_several(decoder, [0], n // 4, several)),
    )
    ours, anew, batch = n / times["ours"], 20 / times["window"], 16 * (n // 4) / times["batch"]
    reference = f"the window anew for each token, {anew:.0f} tokens/s"
    target = "≥ 10, ≥ 5,000 tokens/s"
    yield Row("writing, d128 L4", ours, "tokens/s", reference, ours / anew, target)
    what = "writing 16 texts at once, d128 L4"
    yield Row(what, batch, "tokens/s", "one text at a time", batch / ours)


# --- starting and reading -------------------------------------------------------------------------


def command(*arguments: str, turns: int = TURNS) -> float:
    """The median seconds that Python takes for a command."""
    call = [sys.executable, *arguments]
    return median(
        seconds(lambda: subprocess.run(call, check=True, stdout=subprocess.DEVNULL))
        for _ in range(turns)
    )


def start_rows(folder: Path) -> Iterator[Row]:
    nothing = command("-c", "")
    for module, target in (("lm", "< 0.15 s"), ("lm.runs", ""), ("lm.charts", ""), ("torch", "")):
        took = command("-c", f"import {module}") - nothing
        yield Row(f"import {module}", took, "s", target=target)
    store = RunStore(folder / "runs")
    config = recipes.resolve(
        architecture=next(iter(ARCHITECTURES)),
        data=DataConfig(dataset="known_entropy", n_chars=5_000),
        vocab_size=30,
        n_train_tokens=4_000,
        steps=1,
        model={"context_length": 2, "d_embed": 2},
    )
    first = prepare(config, store)
    document = {path.name: path.read_text() for path in first.path.glob("*.json")}
    for i in range(999):
        copy = store.root / f"{first.run_id}-{i}"
        copy.mkdir()
        for name, text in document.items():
            (copy / name).write_text(text.replace(first.run_id, copy.name))
    listing = median(seconds(store.list) for _ in range(TURNS))
    yield Row("reading 1,000 run folders", listing, "s")
    whole = command("-m", "lm", "runs", "--runs-dir", str(store.root), turns=3)
    yield Row("python -m lm runs, 1,000 runs", whole, "s", target="< 1.5 s")
    queue = JobQueue(cores=1)
    queue.warm()
    time.sleep(5)
    times = []
    for seed in range(3):
        run = prepare(config.replace(training=config.training.replace(seed=seed)), store)
        started_at = time.perf_counter()
        queue.submit(run)
        while run.reload().state == "created":
            time.sleep(0.002)
        times.append(time.perf_counter() - started_at)
    queue.close()
    fresh, start = command("-c", "import torch"), median(times)
    reference = f"a fresh interpreter with torch, {fresh:.2f} s"
    yield Row("start of a worker", start, "s", reference, fresh / start)


def run() -> list[Row]:
    """Every row, in a minute or two."""
    rows = [*vocabulary_rows()]  # first: later the kept memory would speed up the plain softmax
    use_one_blas_thread()
    keep_memory()  # as any run does; the textbook loop in this process gains by it too
    with tempfile.TemporaryDirectory() as folder:
        rows += training_rows(Path(folder))
        rows += [meter_row(), evaluation_row(), *decoding_rows(), *start_rows(Path(folder))]
    return rows


def machine() -> dict[str, Any]:
    """The machine on which the figures were measured."""
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }
