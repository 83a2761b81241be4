"""Training one run in this process, from its folder: the work behind `lm.training.execute`.

Everything that decides a number stands in the folder: a run that was stopped, killed or moved to
another machine carries on with the bits that it would have had. Requests are looked at between
steps; the checkpoint is on disk before the run says that it paused.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lm.architectures import build_model
from lm.architectures.shared.model import weights
from lm.base.records import Evaluation, Sample, StepRecord
from lm.datasets import Corpus, DatasetError, Split
from lm.runs import Run, RunError, RunWriter, State
from lm.runs.flops import step_flops
from lm.runs.prepare import corpus_of
from lm.training.device import hand_back_memory, keep_memory, resolve_device, threads
from lm.training.engines import engine_of
from lm.training.engines.divided import Divided, HelperError
from lm.training.evaluation import evaluate, sampled_loss
from lm.training.loop import Training
from lm.training.meter import measured_step_flops
from lm.training.milestones import evaluation_schedule, sample_schedule
from lm.writing.generation import generate
from lm.writing.loading import CheckpointError
from lm.writing.sampling import Sampling

SAMPLE_CHARS = 160
SAMPLE_TEMPERATURE = 0.8
CHECKPOINT_SECONDS = 10.0
CHECKPOINT_SHARE = 0.02  # of the time, which checkpoints at milestones may take
# The bytes that a checkpoint has of each parameter, and those that are written in a second: a guess
# from which it is told how long the first one would take.
BYTES_PER_PARAMETER, SAVED_PER_SECOND = 16, 5e8


class DivergedError(ArithmeticError):
    """Something other than the loss of a step is infinite or not a number."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"Weights, gradients or predictions were no longer finite at step {step}. "
            "Lower the learning rate, or clip gradients."
        )


class Halt(Exception):  # noqa: N818 - not an error
    """Raised to end a training before its last step, because somebody asked for it."""

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
                execution.begin()
            n_threads = run.facts.threads
            # the threads are processes, or XLA's
            apart = run.facts.engine == "compiled" or isinstance(execution.engine, Divided)
            with threads(1 if apart else n_threads):
                execution.train(until_step)
            with threads(n_threads):
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
    """The state of a run that this exception ended, and the reason to write down."""
    if isinstance(error, Halt):
        return error.state, error.reason
    if isinstance(error, RunError | DatasetError | HelperError):
        return "stopped", str(error)  # resume it once that is cured
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "It was interrupted from the keyboard."
    if isinstance(error, ArithmeticError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}"


class _Checkpoints:
    """The copy of a training's state on disk, which is replaced now and then."""

    def __init__(self, training: Training, writer: RunWriter) -> None:
        self.training, self.engine, self.writer = training, training.engine, writer
        self.step = 0  # at which the copy on disk was made
        self._saved_at = time.monotonic()
        n_params = sum(parameter.numel() for parameter in self.engine.model.parameters())
        self._save_seconds = BYTES_PER_PARAMETER * n_params / SAVED_PER_SECOND

    def restore(self, run: Run) -> None:
        """Continue from the copy on disk, if there is one. Raises `RunError` if it is damaged."""
        path = run.training_state_path
        if not path.exists():
            if run.status.checkpoint_step:
                raise RunError(
                    f"{run.name} cannot be resumed: {path.name} of its step "
                    f"{run.status.checkpoint_step:,} is missing. Put it back, or train it anew."
                )
            return
        try:
            self.training.load_tensors(load_file(path))
        except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
            raise RunError(
                f"{run.name} cannot be resumed: {path.name} is damaged ({error}). "
                "Put a sound copy back, or train it anew."
            ) from None
        self.step = self.engine.step

    def due(self, at_a_milestone: bool) -> bool:
        """Whether it is time for another copy.

        At milestones where saving is quick, and otherwise every CHECKPOINT_SECONDS.
        """
        elapsed = time.monotonic() - self._saved_at
        cheap = at_a_milestone and self._save_seconds <= CHECKPOINT_SHARE * elapsed
        return cheap or elapsed >= CHECKPOINT_SECONDS

    def save(self, **progress: Any) -> None:
        """Put the present state on disk, unless it is there, and `progress` into the status.

        Raises `DivergedError` before anything that is not finite is written.
        """
        step = self.engine.step
        if step == self.step:
            self.writer.update(**progress)
            return
        self.check_finite()
        started_at = time.monotonic()
        self.writer.update(**progress)
        self.writer.checkpoint(
            step,
            lambda path: _save(self.engine.weights(), path),
            lambda path: _save(self.training.tensors(), path),
        )
        self.step, self._saved_at = step, time.monotonic()
        self._save_seconds = self._saved_at - started_at

    def check_finite(self) -> None:
        """Raises `DivergedError` if a weight or a loss is infinite or not a number."""
        tensors = [*weights(self.engine.model).values(), *self.training.losses]
        ends = [end for tensor in tensors for end in tensor.aminmax()]  # which no NaN escapes
        if not bool(torch.stack(ends).isfinite().all()):
            raise DivergedError(self.engine.step)


class _Execution:
    """A run in progress: it trains, scores and samples, and writes the results down."""

    def __init__(
        self,
        writer: RunWriter,
        on_record: Callable[[StepRecord], None],
        check_requests: Callable[[], None],
        corpus: Corpus | None,
    ) -> None:
        """Make all that the run needs, as it is before the first step. Nothing is written yet."""
        self.writer, self.on_record, self.check_requests = writer, on_record, check_requests
        run = writer.run
        self.config = run.config
        # a run stays on the device where it began
        self.device = resolve_device(writer.status.device or self.config.training.device)
        self.corpus = corpus_of(run, corpus)
        self.vocab_size = self.corpus.tokenizer.vocab_size
        model = build_model(self.config.model, self.vocab_size, self.config.training.seed)
        model.to(self.device)
        token_ids = torch.as_tensor(self.corpus.train.token_ids, device=self.device)
        self.engine = engine_of(run, model, token_ids)
        self.training, self.plan = Training(self.engine), self.engine.plan
        self.checkpoints = _Checkpoints(self.training, writer)
        self.losses: list[float] = []
        self.sampled_val_loss: float | None = None
        self.evaluation_steps, self.evaluation_tokens = evaluation_schedule(
            self.config, self.plan, self.vocab_size, self.corpus.valid.n_tokens
        )
        self.sample_steps = sample_schedule(self.plan)

    def begin(self) -> None:
        """Restore the checkpoint, if there is one, and write down where the run is.

        Raises `RunError` for a checkpoint that is missing or damaged.
        """
        run = self.writer.run
        self.checkpoints.restore(run)
        if self.engine.step == 0:
            self._check_meter()
            hand_back_memory()  # a second model's, and its optimizer's
        rows = [row for row in run.rows() if row["step"] <= self.engine.step]
        self.losses = [row["train_loss"] for row in rows]
        sampled = [row["sampled_val_loss"] for row in rows if row["sampled_val_loss"] is not None]
        self.sampled_val_loss = sampled[-1] if sampled else None
        self.writer.update(device=self.device.type, n_steps=self.plan.n_steps, **self._progress())

    def train(self, until_step: int | None) -> None:
        """Take the steps that are left, and write a checkpoint.

        When asked to end before the last one, it writes a checkpoint too and raises `Halt`.
        """
        last = self.plan.n_steps if until_step is None else until_step
        try:
            self._take_steps(last)
        except Halt:
            self.checkpoints.save(**self._progress())
            raise
        self.checkpoints.save(**self._progress())

    def _take_steps(self, last: int) -> None:
        engine, n_steps = self.engine, self.plan.n_steps
        stops = sorted({*self.evaluation_steps, *self.sample_steps, last})
        self.check_requests()
        with contextlib.closing(self.training.run(stops)) as calls:
            while engine.step < n_steps:
                if engine.step >= last:
                    raise Halt("paused")
                for record in next(calls):
                    self._record(record)
                status, found = self.writer.status, (engine.compiling, engine.not_compiled)
                if found != (status.compiling, status.not_compiled):
                    self.writer.update(compiling=found[0], not_compiled=found[1], now=True)
                if self.checkpoints.due(at_a_milestone=engine.step in self.evaluation_steps):
                    self.checkpoints.save(**self._progress())
                elif self.writer.due:
                    self.writer.update(**self._progress())
                self.check_requests()

    def finish(self) -> None:
        """Score the whole splits. Raises `Halt` when asked to end.

        The checkpoint of the last step is on disk by now, so a request is followed at once, and
        the run resumes with the scoring.
        """
        self.check_requests()
        valid = self._evaluate(self.corpus.valid)
        test = self._evaluate(self.corpus.test) if self.corpus.test else None
        self.writer.complete(valid=valid, test=test)

    def _check_meter(self) -> None:
        """Raises RuntimeError if the formula, whose FLOPs are stored, differs from the counter.

        One row of each length is computed and counted; more rows cost as much each.
        """
        training = self.config.training
        for length in sorted({self.plan.shape[1], self.plan.last_shape[1]}):
            shape = {"batch_size": 1, "sequence_length": length}
            formula = step_flops(
                self.config.model,
                self.vocab_size,
                **shape,
                optimizer=training.optimizer,
                objective=training.objective,
            )
            measured = measured_step_flops(
                self.config.model, self.vocab_size, training, **shape, device="cpu"
            )
            if measured != formula:
                raise RuntimeError(
                    f"A step on one row of {length} predictions is measured as {measured} "
                    f"and by formula is {formula}; they must agree."
                )

    def _record(self, record: StepRecord) -> None:
        """Write a row, and at some steps score, sample and checkpoint."""
        step = record.step
        evaluates, samples = step in self.evaluation_steps, step in self.sample_steps
        self._checked(record.grad_norm)
        if evaluates:
            valid = self.corpus.valid.token_ids
            loss = sampled_loss(self.engine.model, valid, self.evaluation_tokens)
            record = replace(record, sampled_val_loss=self._checked(loss))
        row = self.writer.append(record)  # as it is read again when a run goes on
        self.losses.append(row["train_loss"])
        self.sampled_val_loss = row.get("sampled_val_loss", self.sampled_val_loss)
        if samples:
            self.writer.append_sample(self._sample(step))
        self.on_record(record)

    def _progress(self) -> dict[str, Any]:
        step = self.engine.step
        last_tenth = self.losses[-math.ceil(len(self.losses) / 10) :]
        return {
            "step": step,
            "tokens": self.plan.tokens_at(step),
            "flops": self.plan.flops_at(step),
            "seconds": self.training.seconds,
            "train_loss": math.fsum(last_tenth) / len(last_tenth) if last_tenth else None,
            "sampled_val_loss": self.sampled_val_loss,
        }

    def _checked(self, value: float) -> float:
        """`value`. Raises `DivergedError` if it is not finite.

        Finite weights may be so large that gradients or predictions overflow.
        """
        if not math.isfinite(value):
            raise DivergedError(self.engine.step)
        return value

    def _evaluate(self, split: Split) -> Evaluation:
        result = evaluate(self.engine.model, split, on_batch=self._between_batches)
        self._checked(result.total_nats)
        return result

    def _between_batches(self) -> None:
        if self.writer.due:
            self.writer.update()  # readers see that it goes on
        self.check_requests()

    def _sample(self, step: int) -> Sample:
        """A text of about SAMPLE_CHARS characters, from the same prompt and seed at every step."""
        tokenizer, valid = self.corpus.tokenizer, self.corpus.valid
        prompt = self.corpus.sample_prompt()
        n_tokens = max(1, round(SAMPLE_CHARS * valid.n_tokens / valid.n_chars))
        sampling = Sampling(temperature=SAMPLE_TEMPERATURE, seed=self.config.training.seed)
        try:
            prompt_ids = tokenizer.encode(prompt).tolist()
            tokens = list(generate(self.engine.model, prompt_ids, n_tokens, sampling))
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


def _save(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write them to a file. Raises `OSError` where the system refuses, as on a full disk."""
    # on the processor, in one piece, none sharing memory with another
    given = {name: each.detach().cpu().clone().contiguous() for name, each in tensors.items()}
    try:
        save_file(given, path)
    except SafetensorError as error:
        refused = re.search(r"\(os error (\d+)\)", str(error))
        if not refused:
            raise
        number = int(refused[1])  # on Windows one of its own, of which OSError finds the errno
        raise OSError(number, os.strerror(number), str(path), number) from error
