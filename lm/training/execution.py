"""Training one run in this process, from where its folder is: what `lm.training` defers to.

Everything that decides a number comes from the folder: a run that was stopped, killed or moved
to another machine carries on with the bits that it would have had. Requests are looked at
between steps; the checkpoint is on disk before the run says that it paused.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from lm.architectures import build_model
from lm.architectures.shared.model import weights
from lm.base.records import Evaluation, Sample, StepRecord
from lm.datasets import Corpus, DatasetError, Split, load
from lm.datasets.tokenizers import UnknownTokenError
from lm.runs import Run, RunError, RunWriter, State
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.plan import Plan, plan
from lm.training.evaluation import evaluate, sampled_loss
from lm.training.loop import Batches, TrainingState, record_interval, train
from lm.training.meter import measured_step_flops
from lm.training.parallel import HelperError, can_fork
from lm.updates.optimizers import build_optimizers
from lm.writing.generation import generate
from lm.writing.loading import CheckpointError
from lm.writing.sampling import Sampling

EVALUATION_SHARE = 0.05  # of training's FLOPs, for the sampled validation loss
MOST_EVALUATIONS = 30
LEAST_EVALUATION_TOKENS, MOST_EVALUATION_TOKENS = 1_024, 16_384
SAMPLES = 8
SAMPLE_CHARS = 160
PROMPT_CHARS = 24
SAMPLE_TEMPERATURE = 0.8
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02  # of the time, for checkpoints on top of those
MALLOPT_TRIM, MALLOPT_MMAP = -1, -3  # of malloc.h: from how many bytes memory is handed back


class DivergedError(ArithmeticError):
    """Something other than the loss of a step is infinite or not a number."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"Weights, gradients or predictions were no longer finite at step {step}. "
            "Lower the learning rate, or clip gradients."
        )


class DeviceError(RunError):
    """A device that this machine lacks."""


class Halt(Exception):  # noqa: N818 - not an error
    """A request to leave off."""

    def __init__(self, state: State, reason: str | None = None) -> None:
        super().__init__(state, reason)
        self.state: State = state
        self.reason = reason


def execute_run(
    run: Run,
    until_step: int | None,
    on_record: Callable[[StepRecord], None] | None,
    should_pause: Callable[[], bool | str] | None,
    requested_at: float | None,
    corpus: Corpus | None,
) -> Run:
    """See `lm.training.execute`."""
    since = time.time() if requested_at is None else requested_at
    with RunWriter(run) as writer:
        run = writer.run
        if run.state == "complete":
            return run
        if run.state == "failed":
            raise RunError(f"{run.name} has failed and is not resumed: {run.reason}")

        def check_requests() -> None:
            request = writer.take_request(since)
            if request is not None:
                raise Halt("paused" if request == "pause" else "stopped")
            answer = should_pause() if should_pause else False
            if answer:
                raise Halt("paused", answer if isinstance(answer, str) else None)

        keep_memory()
        with _end_recorded(writer):
            writer.update(state="running", reason=None, pid=os.getpid(), now=True)
            with threads(1):
                execution = _Execution(
                    writer, on_record or (lambda record: None), check_requests, corpus
                )
            n_cores = run.facts["threads"]
            n_processes = n_cores if can_fork(execution.device) else 1
            with threads(1 if n_processes > 1 else n_cores):
                execution.train(until_step, n_processes)
            with threads(n_cores):
                execution.finish()
    return run.reload()


@contextlib.contextmanager
def _end_recorded(writer: RunWriter) -> Iterator[None]:
    """However training ends, the status says how."""
    try:
        yield
    except BaseException as error:
        state, reason = _end(error)
        with contextlib.suppress(OSError, RunError):  # a full disk: readers see "interrupted"
            writer.update(state=state, reason=reason, pid=None, now=True)
        if not isinstance(error, Halt):
            raise


def _end(error: BaseException) -> tuple[State, str | None]:
    if isinstance(error, Halt):
        return error.state, error.reason
    if isinstance(error, RunError | DatasetError | HelperError):
        return "stopped", str(error)  # resume it once that is cured
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "It was interrupted from the keyboard."
    if isinstance(error, ArithmeticError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Within, torch computes with `n` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def keep_memory() -> None:
    """Keep what is freed for the next step, instead of handing it back to the system.

    A step frees and takes anew some 10 MB and more; faulting in its pages took a sixth of its
    time at nanoGPT's shape. For glibc alone; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for threshold in (MALLOPT_TRIM, MALLOPT_MMAP):
            mallopt(threshold, 2**30)


def resolve_device(name: str) -> torch.device:
    """The device that `name` stands for. "auto" is CUDA where there is one, else the processor:
    models this small are faster there than on MPS. Raises `DeviceError`."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there[name]:
        known = ", ".join(["auto", *(device for device, here in there.items() if here)])
        raise DeviceError(f"device must be one of {known} on this machine. Received: '{name}'.")
    return torch.device(name)


class _Execution:
    """A run in progress."""

    def __init__(
        self,
        writer: RunWriter,
        on_record: Callable[[StepRecord], None],
        check_requests: Callable[[], None],
        corpus: Corpus | None,
    ) -> None:
        self.writer, self.on_record, self.check_requests = writer, on_record, check_requests
        run = writer.run
        self.config = run.config
        # a run stays on the device where it began
        self.device = resolve_device(writer.status.device or self.config.training.device)
        self.corpus = self._checked_corpus(run, corpus)
        vocab_size = self.corpus.tokenizer.vocab_size
        self.plan = plan(self.config, vocab_size, self.corpus.train.n_tokens)
        model = build_model(self.config.model, vocab_size, self.config.training.seed)
        model.to(self.device)
        optimizers = build_optimizers(model, self.config.training)
        self.state = TrainingState(model=model, optimizers=optimizers)
        self._restore(run)
        self.saved_step = self.state.step
        self.saved_at = time.monotonic()
        self.save_seconds = 0.0
        if self.state.step == 0:
            self._check_meter(vocab_size)
        rows = [row for row in run.rows() if row["step"] <= self.state.step]
        self.losses = [row["train_loss"] for row in rows]
        sampled = [row["sampled_val_loss"] for row in rows if row["sampled_val_loss"] is not None]
        self.sampled_val_loss = sampled[-1] if sampled else None
        self.evaluation_steps, self.evaluation_tokens = evaluation_schedule(
            self.config, self.plan, vocab_size, self.corpus.valid.n_tokens
        )
        self.sample_steps = sample_schedule(self.plan)
        writer.update(device=self.device.type, n_steps=self.plan.n_steps, **self._progress())

    def train(self, until_step: int | None, n_processes: int) -> None:
        """Take the steps that are left. Raises `Halt`, checkpointed, when asked to leave off."""
        state = self.state
        token_ids = torch.as_tensor(self.corpus.train.token_ids, device=self.device)
        batches = Batches(
            token_ids,
            self.config.model.lookback,
            self.config.sequence_length,
            self.config.training.seed,
        )
        last = self.plan.n_steps if until_step is None else until_step
        try:
            self.check_requests()
            if last <= state.step < self.plan.n_steps:
                raise Halt("paused")
            steps = train(state, batches, self.config.training, self.plan, n_processes)
            with contextlib.closing(steps):  # its processes end with it
                for record in steps:
                    if record is not None:
                        self._record(record)
                    if self.writer.due:
                        self.writer.update(**self._progress())
                    self.check_requests()
                    if last <= state.step < self.plan.n_steps:
                        raise Halt("paused")
        except Halt:
            self._checkpoint()
            raise
        self._checkpoint()

    def finish(self) -> None:
        """Score the splits whole. The checkpoint of the last step is on disk, so a request to
        leave off counts at once; the run then resumes here."""
        self.check_requests()
        valid = self._evaluate(self.corpus.valid)
        test = self._evaluate(self.corpus.test) if self.corpus.test else None
        self.writer.update(state="complete", valid=valid, test=test, pid=None, now=True)

    def _checked_corpus(self, run: Run, corpus: Corpus | None) -> Corpus:
        changed = RunError(
            f"The text of {self.config.data.dataset} is not the one that {run.name} was made for "
            f"(of sha256 {run.facts['sha256'][:12]}…). Put that text back, or train a new run on "
            "this one."
        )
        try:
            corpus = corpus or load(self.config.data, run.tokenizer())
        except UnknownTokenError:
            raise changed from None
        if corpus.sha256 != run.facts["sha256"]:
            raise changed
        return corpus

    def _restore(self, run: Run) -> None:
        path = run.training_state_path
        if not path.exists():
            if run.status.checkpoint_step:
                raise RunError(
                    f"{run.name} cannot be resumed: {path.name} of its step "
                    f"{run.status.checkpoint_step:,} is missing. Put it back, or train it anew."
                )
            return
        try:
            self.state.load_tensors(load_file(path))
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{run.name} cannot be resumed: {path.name} is damaged ({error}). "
                "Put a sound copy back, or train it anew."
            ) from None

    def _check_meter(self, vocab_size: int) -> None:
        """The FLOPs that are stored are the measured ones: the formula must equal them."""
        shapes = {self.plan.shape: self.plan.step, self.plan.last_shape: self.plan.last_step}
        for (n_rows, length), formula in shapes.items():
            measured = measured_step_flops(
                self.config.model,
                vocab_size,
                self.config.training,
                batch_size=n_rows,
                sequence_length=length,
            )
            if measured != formula:
                raise RuntimeError(
                    f"A step of {n_rows} rows of {length} predictions is measured as {measured} "
                    f"and by formula is {formula}; they must agree."
                )

    def _record(self, record: StepRecord) -> None:
        """Write a row, and at some steps score, sample and checkpoint."""
        step = record.step
        evaluates, samples = step in self.evaluation_steps, step in self.sample_steps
        self._checked(record.grad_norm)
        if evaluates or samples:
            self._check_finite()
        if evaluates:
            loss = sampled_loss(
                self.state.model, self.corpus.valid.token_ids, self.evaluation_tokens
            )
            self.sampled_val_loss = self._checked(loss)
            record = replace(record, sampled_val_loss=self.sampled_val_loss)
        self.losses.append(record.train_loss)
        self.writer.append(record)
        if samples:
            self.writer.append_sample(self._sample(step))
        self.on_record(record)
        elapsed = time.monotonic() - self.saved_at
        cheap = evaluates and self.save_seconds <= CHECKPOINT_SHARE * elapsed
        if cheap or elapsed >= CHECKPOINT_SECONDS:
            self._checkpoint()

    def _progress(self) -> dict[str, Any]:
        step = self.state.step
        last_tenth = self.losses[-math.ceil(len(self.losses) / 10) :]
        return {
            "step": step,
            "tokens": self.plan.tokens_at(step),
            "flops": self.plan.flops_at(step),
            "seconds": self.state.seconds,
            "train_loss": math.fsum(last_tenth) / len(last_tenth) if last_tenth else None,
            "sampled_val_loss": self.sampled_val_loss,
        }

    def _checkpoint(self) -> None:
        """Put the state of this moment on disk, unless it is there. It is finite."""
        step = self.state.step
        if step == self.saved_step:
            self.writer.update(**self._progress())
            return
        self._check_finite()
        started_at = time.monotonic()
        model = _contiguous(weights(self.state.model))
        state = _contiguous(self.state.tensors())
        self.writer.update(**self._progress())
        self.writer.checkpoint(step, save(model), save(state))
        self.saved_step, self.saved_at = step, time.monotonic()
        self.save_seconds = self.saved_at - started_at

    def _check_finite(self) -> None:
        tensors = [*weights(self.state.model).values(), *self.state.losses]
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            raise DivergedError(self.state.step)

    def _checked(self, value: float) -> float:
        """Finite weights may still be so large that what follows from them is not."""
        if not math.isfinite(value):
            raise DivergedError(self.state.step)
        return value

    def _evaluate(self, split: Split) -> Evaluation:
        result = evaluate(
            self.state.model,
            split.token_ids,
            n_chars=split.n_chars,
            spelling_nats=split.spelling_nats,
            on_batch=self.check_requests,
        )
        self._checked(result.total_nats)
        return result

    def _sample(self, step: int) -> Sample:
        """A text of about SAMPLE_CHARS characters, from the same prompt and seed at every step."""
        tokenizer, valid = self.corpus.tokenizer, self.corpus.valid
        prompt = sample_prompt(self.config, self.corpus)
        n_tokens = max(1, round(SAMPLE_CHARS * valid.n_tokens / valid.n_chars))
        sampling = Sampling(temperature=SAMPLE_TEMPERATURE, seed=self.config.training.seed)
        try:
            prompt_ids = tokenizer.encode(prompt).tolist()
            tokens = list(generate(self.state.model, prompt_ids, n_tokens, sampling))
        except CheckpointError:
            raise DivergedError(step) from None
        token_ids = [token.token_id for token in tokens]
        return Sample(
            step=step,
            prompt=prompt,
            text=tokenizer.decode(token_ids),
            temperature=sampling.temperature,
            seed=sampling.seed,
            probabilities=tuple(round(token.probability, 6) for token in tokens),
            tokens=tuple(tokenizer.token_text(token_id) for token_id in token_ids),
        )


def evaluation_schedule(
    config: RunConfig, plan: Plan, vocab_size: int, n_valid_tokens: int
) -> tuple[frozenset[int], int]:
    """The steps after which the validation sample is scored, and how many tokens it has.

    From the config alone, so that a resumed run scores at the same steps; closer together at
    first, where the loss falls fast. All of them cost at most EVALUATION_SHARE of training.
    """
    length = config.model.context_length
    row = step_flops(config.model, vocab_size, batch_size=1, sequence_length=length)
    flops_per_token = 2 * row.forward / length  # overlapping rows: at most half is context
    affordable = EVALUATION_SHARE * plan.flops.total / flops_per_token
    n = int(min(MOST_EVALUATIONS, affordable // min(LEAST_EVALUATION_TOKENS, n_valid_tokens)))
    if n == 0:
        return frozenset(), 0
    n_tokens = int(min(MOST_EVALUATION_TOKENS, n_valid_tokens, affordable / n))
    shares = [0.01 + 0.99 * (i / (n - 1)) ** 1.5 for i in range(n)] if n > 1 else [1.0]
    return _record_steps(plan, shares), n_tokens


def sample_schedule(plan: Plan) -> frozenset[int]:
    """The steps after which a sample is written: the last, and each half way before it."""
    return _record_steps(plan, (0.5**i for i in range(SAMPLES)))


def _record_steps(plan: Plan, shares: Iterable[float]) -> frozenset[int]:
    """The first steps with a record at or after shares of the run."""
    every = record_interval(plan.n_steps)
    steps = (math.ceil(share * plan.n_steps / every) * every for share in shares)
    return frozenset(min(plan.n_steps, step) for step in steps)


def sample_prompt(config: RunConfig, corpus: Corpus) -> str:
    """What samples go on from: "ROMEO:" for Tiny Shakespeare, else a line of validation text."""
    tokenizer = corpus.tokenizer
    if config.data.dataset == "tiny_shakespeare":
        with contextlib.suppress(UnknownTokenError):
            tokenizer.encode("ROMEO:")
            return "ROMEO:"
    text = tokenizer.decode(corpus.valid.token_ids[:1_000])
    lines = [line.strip() for line in text.split("\n")[1:]]
    for line in lines:
        words = line[: PROMPT_CHARS + 1].rsplit(" ", 1) if len(line) > PROMPT_CHARS else [line]
        if words[0]:
            return words[0][:PROMPT_CHARS]
    return tokenizer.decode(corpus.valid.token_ids[:1])


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As safetensors wants them: on the processor, each with a memory of its own."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
