"""`python -m lm`: train, resume, sweep, compare, evaluate and sample from a terminal.

Results go to stdout, progress to stderr. Bad input ends with status 2 and one sentence,
an interruption with 130, a training that failed with 1. torch is imported by the commands
that train, evaluate, sample or measure, and by no other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lm import datasets
from lm.architectures import ARCHITECTURES, DEFAULT, model_config, modules, n_params
from lm.base.files import PROJECT
from lm.base.flops import FlopCount
from lm.base.machine import n_cores, use_one_blas_thread
from lm.base.records import StepRecord
from lm.base.registry import did_you_mean
from lm.base.settings import Config, Setting, rule, setting, settings
from lm.datasets.config import DataConfig
from lm.datasets.counting import ngram
from lm.jobs.executors import EXECUTORS, open_executor
from lm.jobs.sweeps import (
    Estimate,
    Sweep,
    SweepProgress,
    SweepResult,
    estimate,
    expand,
    in_words,
    remembered,
    run_sweep,
    value_of,
)
from lm.runs import STUDY, Run, RunStore, default_root, forecast, recipes
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.prepare import prepare
from lm.runs.presets import PRESETS
from lm.study.sections import CORPORA, SCALES, Study, corpora_here
from lm.training import execute
from lm.updates.config import TrainingConfig
from lm.writing.sampling import Sampling

if TYPE_CHECKING:
    from lm.study.running import Cost


TRAIN_FLAGS = {f"--{name}": path for name, path in recipes.SHORT_NAMES.items()}
DATA_FLAGS = {flag: path for flag, path in TRAIN_FLAGS.items() if path.startswith("data.")}
FLOPS_FLAGS = {"--batch-size": "training.batch_size"}
INTERRUPTED, FAILED, BAD_INPUT = 130, 1, 2


class UsageError(ValueError):
    """A command line that cannot be understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    try:
        use_one_blas_thread()
        argv = sys.argv[1:] if argv is None else argv
        arguments = _parse(argv)
        arguments.argv = argv
        status = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader of our output has gone: `python -m lm runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except ArithmeticError as error:
        _complain(str(error))
        return FAILED
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return _complain("Memory ran out. Lower the model's size, context_length or batch_size.")
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _complain(f"Could not use{where}: {error.strerror or error}.")
    except ValueError as error:
        return _complain(str(error))


def _complain(sentence: str) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return BAD_INPUT


# --- the command line ---------------------------------------------------------------------


class SampleOptions(Sampling):
    """What `sample` can be told."""

    tokens: int = setting(300, "How many tokens to write.", ge=1, le=1_000_000, unit="tokens")
    texts: int = setting(
        1, "How many texts to write at once, of this seed and those that follow.", ge=1, le=1_000
    )


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        message = message.replace("the following arguments are required", "missing")
        raise UsageError(f"{message.removeprefix('argument ')}; see `{self.prog} --help`.")

    @property
    def flags(self) -> dict[str, argparse.Action]:
        return self._option_string_actions

    def add_setting(self, flag: str, field: Setting) -> None:
        """An option for a setting. Its value stays text: the config checks it."""
        words = [field.help]
        if field.kind != "text":
            words.append(f"{rule(field).capitalize()}.")
        if field.default is not None:
            words.append(f"Default: {field.default}.")
        metavar = "FILE" if field.kind == "text" else flag[2:].upper()
        self.add_argument(flag, metavar=metavar, help=" ".join(words).replace("%", "%%"))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser, commands = _build_parser()
    command = commands.get(argv[0]) if argv else None
    if not command and argv and not argv[0].startswith("-"):
        raise UsageError(_unknown("command", argv[0], commands))
    known = command.flags if command else parser.flags
    arguments, unknown = parser.parse_known_args(_attach_values(argv, known))
    for text in unknown:
        if text.startswith("-"):
            raise UsageError(_unknown("option", text.partition("=")[0], known))
        raise UsageError(f"{argv[0]} takes no further argument. Received: {text!r}.")
    return arguments


def _build_parser() -> tuple[_Parser, dict[str, _Parser]]:
    """The parser, and that of each command by name."""
    parser = _Parser(
        prog="python -m lm", description="Small language models under a compute budget."
    )
    commands: dict[str, _Parser] = {}
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, function: Callable, description: str, **options: Any) -> _Parser:
        command = subparsers.add_parser(name, help=description, description=description, **options)
        command.set_defaults(command=function)
        command.add_argument(
            "--runs-dir",
            type=Path,
            metavar="DIR",
            help="where runs are kept (default: $LM_RUNS_DIR, or checkpoints/ of the project)",
        )
        commands[name] = command
        return command

    train = add("train", _train, "Train a model in this process.", epilog=_all_settings())
    for flag, path in TRAIN_FLAGS.items():
        section, name = path.split(".")
        train.add_setting(flag, settings(SECTIONS[section])[name])
    train.add_argument("--name", help="what to call the run")
    flops = add("flops", _flops, "Count the FLOPs of one training step.", epilog=_all_settings())
    flops.add_argument("--vocab-size", metavar="V", help="tokens in the vocabulary (default: 65)")
    flops.add_setting("--batch-size", settings(TrainingConfig)["batch_size"])
    for command in (train, flops):
        command.add_argument("--architecture", default=DEFAULT, help=", ".join(ARCHITECTURES))
        presets = " ".join(f"{name}: {preset.help}" for name, preset in PRESETS.items())
        command.add_argument("--preset", default="modern", help=presets)
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="SECTION.NAME=VALUE",
            help="any setting, as in --set model.n_layers=2; may be repeated",
        )
    resume = add("resume", _resume, "Go on with a run that was paused, stopped or interrupted.")
    sweep = add("sweep", _sweep, "Train all combinations that a file describes.")
    sweep.add_argument("file", metavar="FILE", help="a sweep: docs/sweeps.md says what it holds")
    study = add("study", _study, "Train what the coursework trained; write figures and report.")
    study.add_argument(
        "--scale",
        default="default",
        help=f"{', '.join(SCALES)} (default: default, about four hours)",
    )
    study.add_argument(
        "--datasets", nargs="+", metavar="NAME", help="leave the study's other corpora out"
    )
    study.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where figures/ and docs/report.md go (default: the project; smoke: a new folder)",
    )
    study.add_argument(
        "--ship",
        action="store_true",
        help="then copy the runs into checkpoints/study/ as ones that come with the program",
    )
    for command in (sweep, study):
        command.add_argument(
            "--executor",
            default="local",
            metavar="NAME",
            help=f"{' or '.join(EXECUTORS)}: worker processes here (default), or a Ray cluster",
        )
        command.add_setting("--workers", settings(_SweepOptions)["workers"])
        command.add_argument(
            "--ray-address",
            metavar="A",
            help="auto, or HOST:PORT of a running cluster (default: one is started here)",
        )
        command.add_argument(
            "--dry-run", action="store_true", help="say what it would take, and end"
        )
    runs = add("runs", _runs, "List the runs.")
    evaluate = add("evaluate", _evaluate, "Score a checkpoint on a whole split.")
    evaluate.add_argument("--split-part", default="valid", metavar="PART", help="valid or test")
    evaluate.add_argument(
        "--hybrid",
        action="store_true",
        help="mixed with n-grams of the train split, by weights chosen on valid",
    )
    evaluate.add_argument(
        "--blocks",
        action="store_true",
        help="in rows that do not overlap, as others score: less context",
    )
    sample = add("sample", _sample, "Let a checkpoint write.")
    sample.add_argument("--prompt", default="", help="what the text begins with")
    for name, field in settings(SampleOptions).items():
        sample.add_setting(f"--{name.replace('_', '-')}", field)
    counting = add("ngram", _ngram, "Score n-grams that are counted from a corpus, in seconds.")
    for flag, path in DATA_FLAGS.items():
        counting.add_setting(flag, settings(DataConfig)[path.partition(".")[2]])
    counting.add_setting("--order", settings(_NGramOptions)["order"])
    bench = add("bench", _bench, "Measure how fast everything is, beside references.")
    for command in (resume, evaluate, sample):
        command.add_argument(
            "run", metavar="RUN", help="an id, the beginning of one, a name or a path"
        )
    for command in (train, flops, resume, sweep, runs, evaluate, counting, bench):
        command.add_argument("--json", action="store_true", help="print one line of JSON, last")
    data = add("data", _data, "List the corpora, or download some.")
    data.add_argument("action", nargs="?", default="list", help="list (default) or download")
    data.add_argument("names", nargs="*", metavar="NAME", help="corpora to download")
    data.add_argument(
        "--consent", action="store_true", help="agree to the licence of a corpus that asks for it"
    )
    return parser, commands


def _attach_values(argv: Sequence[str], flags: Mapping[str, argparse.Action]) -> list[str]:
    """--flag -1 -> --flag=-1: a value may begin with a dash, unless it is itself a flag."""
    attached: list[str] = []
    for text in argv:
        last = attached[-1] if attached else ""
        takes_value = last in flags and flags[last].nargs is None
        if takes_value and text.startswith("-") and text.partition("=")[0] not in flags:
            attached[-1] = f"{last}={text}"
        else:
            attached.append(text)
    return attached


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = did_you_mean(name, known)
    hint = f"Did you mean {near}?" if near else f"There are {', '.join(known)}."
    return f"There is no {what} {name!r}. {hint}"


def _all_settings() -> str:
    """Every setting that --set takes, with its rule: the end of a help page."""
    models = {name: architecture.config for name, architecture in ARCHITECTURES.items()}
    sections = {"model": models, "training": {"": TrainingConfig}, "data": {"": DataConfig}}
    lines = ["settings for --set SECTION.NAME=VALUE:"]
    for section, classes in sections.items():
        rules: dict[tuple[str, str], list[str]] = {}
        for architecture, config_class in classes.items():
            for name, field in settings(config_class).items():
                rules.setdefault((name, rule(field)), []).append(architecture)
        for (name, words), owners in rules.items():
            of = "" if len(owners) == len(classes) else f" ({', '.join(owners)})"
            lines.append(f"  {section}.{name}: {words}{of}")
    return "\n".join(lines)


# --- settings -----------------------------------------------------------------------------

SECTIONS: dict[str, type[Config]] = {"data": DataConfig, "training": TrainingConfig}


def _given(arguments: argparse.Namespace, flags: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """What was asked for, by flags and by --set: section -> name -> value, not checked yet."""
    model_config(arguments.architecture)  # named first if it is unknown
    sections = {**SECTIONS, "model": ARCHITECTURES[arguments.architecture].config}
    given: dict[str, dict[str, Any]] = {"model": {}, "training": {}, "data": {}}
    pairs = [
        (path, value)
        for flag, path in flags.items()
        if (value := getattr(arguments, flag[2:].replace("-", "_"))) is not None
    ]
    for text in arguments.set:
        path, equals, value = text.partition("=")
        section, _, name = path.strip().partition(".")
        if not equals or section not in sections or not name:
            raise UsageError(
                "--set takes SECTION.NAME=VALUE with section model, training or data, as in "
                f"model.n_layers=2. Received: {text!r}."
            )
        known = settings(sections[section])
        if name not in known:
            raise UsageError(_unknown(f"{section} setting", name, known))
        none = known[name].optional and value.strip().lower() == "none"
        pairs.append((f"{section}.{name}", None if none else value.strip()))
    for path, value in pairs:
        section, name = path.split(".")
        if name in given[section]:
            raise UsageError(f"{path} is given twice.")
        given[section][name] = value
    return given


def _data_config(given: dict[str, Any]) -> DataConfig:
    if given.get("text_path") is not None:
        given.setdefault("dataset", datasets.OWN_TEXT)
        given["text_path"] = str(Path(given["text_path"]).expanduser().absolute())
    return DataConfig(**given)


def _load(data: DataConfig) -> datasets.Corpus:
    """A corpus; what was assumed in reading it is said."""
    corpus = datasets.load(data)
    if corpus.original is not None:
        print(corpus.original.note, file=sys.stderr)
    return corpus


def _resolve(
    arguments: argparse.Namespace,
    given: dict[str, dict[str, Any]],
    **corpus: Any,
) -> RunConfig:
    """The config that the preset makes of what was asked for."""
    training = given["training"]
    return recipes.resolve(
        architecture=arguments.architecture,
        preset=arguments.preset,
        model=given["model"],
        training={name: value for name, value in training.items() if name not in recipes.HORIZONS},
        **{name: training.get(name) for name in recipes.HORIZONS},
        **corpus,
    )


# --- train and resume ---------------------------------------------------------------------


def _train(arguments: argparse.Namespace) -> int:
    given = _given(arguments, TRAIN_FLAGS)
    TrainingConfig(**given["training"])  # before a corpus is read
    data = _data_config(given["data"])
    corpus = _load(data)
    config = _resolve(
        arguments,
        given,
        data=data,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
    )
    from lm.training.device import resolve_device

    resolve_device(config.training.device)  # before there is a run
    run = prepare(config, _store(arguments), arguments.name, corpus)
    return _execute(run, arguments)


def _resume(arguments: argparse.Namespace) -> int:
    run = _store(arguments).get(arguments.run)
    if run.state == "complete":
        print(f"{run.name} is complete: it took all of its {run.n_steps:,} steps.", file=sys.stderr)
        _print_result(run, arguments.json)
        return 0
    return _execute(run, arguments)


def _execute(run: Run, arguments: argparse.Namespace) -> int:
    print(
        f"{run.run_id}: {run.config.model.architecture} of {run.n_params:,} parameters, "
        f"{run.n_steps:,} steps of {_si(run.facts['flops_per_step']['total'])}FLOPs",
        file=sys.stderr,
    )
    with _interruptible() as interruption:
        progress = Progress(run.n_steps)
        try:
            run = execute(
                run,
                on_record=progress.show_record,
                should_pause=lambda: next(iter(interruption), False),
            )
        finally:
            progress.close()
    if run.state != "complete":
        where = f" --runs-dir {shlex.quote(str(arguments.runs_dir))}" if arguments.runs_dir else ""
        print(
            f"{run.name} is {run.state} at step {run.status.step:,} of {run.n_steps:,}. "
            f"Go on with: python -m lm resume {run.run_id}{where}",
            file=sys.stderr,
        )
        return INTERRUPTED
    _print_result(run, arguments.json)
    return 0


@contextlib.contextmanager
def _interruptible() -> Iterator[list[str]]:
    """A list that holds a reason once Ctrl-C or SIGTERM came. A second Ctrl-C ends at once."""
    reasons: list[str] = []

    def interrupt(number: int, _: object) -> None:
        if reasons:
            raise KeyboardInterrupt
        reasons.append(f"It was interrupted by {signal.Signals(number).name}.")

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield reasons
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Bar:
    """A bar on a terminal; a line for each tenth of the way elsewhere."""

    def __init__(self) -> None:
        self.live = sys.stderr.isatty()
        self.shown_at, self.tenth, self.width = 0.0, 0, 0

    def show(self, share: float, words: Callable[[], str]) -> None:
        """Show how far it is, 0 to 1, and `words` about it, if it is time to."""
        tenth = int(10 * share)
        now = time.monotonic()
        if share < 1 and (now - self.shown_at < 0.1 if self.live else tenth == self.tenth):
            return
        self.shown_at, self.tenth = now, tenth
        if not self.live:
            print(f"{share:4.0%}  {words()}", file=sys.stderr, flush=True)
            return
        bar = "█" * (2 * tenth) + "░" * (20 - 2 * tenth)
        text = f"{bar} {share:4.0%}  {words()}"
        print(f"\r{text:<{self.width}}", end="", file=sys.stderr, flush=True)
        self.width = len(text)

    def close(self) -> None:
        """Leave the bar's line."""
        if self.width:
            print(file=sys.stderr)


class Progress(Bar):
    """How far a run is."""

    def __init__(self, n_steps: int) -> None:
        super().__init__()
        self.n_steps = n_steps

    def show_record(self, record: StepRecord) -> None:
        """Show a record, if it is time to."""
        seconds = max(record.seconds, 1e-9)

        def words() -> str:
            left = seconds * (self.n_steps - record.step) / record.step
            done = record.step == self.n_steps
            return (
                f"step {record.step:,}/{self.n_steps:,}  loss {record.train_loss:.4f}  "
                f"{_si(record.tokens / seconds)}tokens/s  {_si(record.flops / seconds)}FLOP/s  "
                f"{'scoring the splits' if done else 'ETA ' + _clock(left)}"
            )

        self.show(record.step / self.n_steps, words)


# --- sweep --------------------------------------------------------------------------------


class _SweepOptions(Config):
    """What `sweep` can be told."""

    workers: int | None = setting(
        None, "Runs to train at a time. Left out: what there is room for.", ge=1, le=10_000
    )


def _sweep(arguments: argparse.Namespace) -> int:
    workers = _SweepOptions(workers=arguments.workers).workers
    load = remembered(_load)
    sweep = Sweep.from_file(arguments.file)
    configs = expand(sweep, load)
    store = _store(arguments)
    planned = estimate(configs, store, workers, load)
    if arguments.dry_run:
        _print_plan(sweep, planned, arguments.json)
        return 0
    print(_plan_in_words(sweep, planned), file=sys.stderr)
    executor = open_executor(
        arguments.executor if planned.n_left else "local",  # a cluster takes seconds to start
        workers=workers,
        ray_address=arguments.ray_address,
    )
    bar = Bar()
    try:
        with _interruptible() as interruption:
            result = run_sweep(
                configs,
                store,
                executor,
                on_progress=lambda progress: _show_sweep(bar, progress),
                should_stop=lambda: bool(interruption),
                load=load,
            )
    finally:
        executor.close()
        bar.close()
    _print_sweep(sweep, result, store, arguments.json)
    for run_id, reason in (result.failed | result.unfinished).items():
        print(f"{run_id}: {reason}", file=sys.stderr)
    if interruption:
        print(
            f"{sweep.name} is paused, {len(result.complete):,} of {len(planned.runs):,} runs "
            f"complete. Go on with: {shlex.join(['python', '-m', 'lm', *arguments.argv])}",
            file=sys.stderr,
        )
        return INTERRUPTED
    return FAILED if result.failed or result.unfinished else 0


def _show_sweep(bar: Bar, progress: SweepProgress) -> None:
    def words() -> str:
        failed = f", {progress.n_failed:,} failed" if progress.n_failed else ""
        return (
            f"{progress.n_complete:,}/{progress.n_runs:,} runs complete{failed}  "
            f"{len(progress.training):,} training  ETA {_clock(progress.seconds_left)}"
        )

    bar.show(progress.share, words)


def _plan_in_words(sweep: Sweep, planned: Estimate) -> str:
    n_runs = len(planned.runs)
    if not planned.n_left:
        return f"{sweep.name}: {n_runs:,} run{'s' * (n_runs != 1)}, and nothing left to train."
    done = f", {n_runs - planned.n_left:,} of them done" if planned.n_left < n_runs else ""
    speed = "of earlier runs here" if planned.measured else "assumed, for nothing was trained here"
    return (
        f"{sweep.name}: {n_runs:,} run{'s' * (n_runs != 1)}{done}. To come: "
        f"{_si(planned.flops_left)}FLOPs, {_si(planned.bytes_left)}bytes on disk, about "
        f"{forecast.in_words(planned.seconds_left)} with {planned.n_at_once:,} at a time "
        f"(at the speed {speed})."
    )


def _print_plan(sweep: Sweep, planned: Estimate, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                **_head(sweep, run.run_id, run.state, run.config),
                "n_params": run.n_params,
                "steps": run.n_steps,
                "flops": run.flops,
                "seconds_left": run.seconds_left,
                "bytes_left": run.bytes_left,
            }
            for run in planned.runs
        ]
        totals = ("n_left", "flops_left", "seconds_left", "bytes_left", "n_at_once", "measured")
        plan = {name: getattr(planned, name) for name in totals}
        _print_json({"sweep": sweep.name, **plan, "runs": rows})
        return
    heading = ["run_id", "state", *sweep.varied, "parameters", "steps", "FLOPs", "time", "disk"]
    cells = [
        [
            *map(in_words, _head(sweep, run.run_id, run.state, run.config).values()),
            f"{run.n_params:,}",
            f"{run.n_steps:,}",
            f"{run.flops:.3g}",
            forecast.in_words(run.seconds_left) if run.share_left else "-",
            f"{_si(run.bytes_left)}B" if run.bytes_left else "-",
        ]
        for run in planned.runs
    ]
    _print_table([heading, *cells])
    print(f"\n{_plan_in_words(sweep, planned)}")


def _print_sweep(sweep: Sweep, result: SweepResult, store: RunStore, as_json: bool) -> None:
    runs = [store.get(run_id) for run_id in result.complete]
    if as_json:
        rows = [{**_head(sweep, run.run_id, run.state, run.config), **_result(run)} for run in runs]
        rest = {"failed": result.failed, "unfinished": result.unfinished}
        _print_json({"sweep": sweep.name, "runs": rows, **rest})
    elif runs:
        cells = [
            [
                *map(in_words, _head(sweep, run.run_id, run.state, run.config).values()),
                f"{run.status.flops.total:.3g}",
                _plain(_result(run)["val_loss"]),
                _plain(_result(run)["test_loss"]),
            ]
            for run in runs
        ]
        heading = ["run_id", "state", *sweep.varied, "FLOPs", "val_loss", "test_loss"]
        _print_table([heading, *cells])


def _head(sweep: Sweep, run_id: str, state: str, config: RunConfig) -> dict[str, Any]:
    """A run of a sweep, and the settings that the sweep varies."""
    return {"run_id": run_id, "state": state} | {
        name: value_of(config, name) for name in sweep.varied
    }


# --- study --------------------------------------------------------------------------------


def _study(arguments: argparse.Namespace) -> int:
    from lm.study import running  # altair: half a second

    if arguments.scale not in SCALES:
        raise UsageError(_unknown("scale", arguments.scale, SCALES))
    for name in arguments.datasets or ():
        if name not in CORPORA:
            raise UsageError(_unknown("corpus of the study", name, CORPORA))
    workers = _SweepOptions(workers=arguments.workers).workers
    runs_dir, out = _study_folders(arguments)
    store = RunStore(runs_dir)
    corpora = corpora_here(arguments.datasets)
    if not corpora:
        raise UsageError(
            "No text of the study is here. Fetch one with "
            f"`python -m lm data download {CORPORA[0]}`."
        )
    study = Study(SCALES[arguments.scale], corpora, remembered(datasets.load))
    for name in study.absent:
        print(f"{name} is left out.", file=sys.stderr)
    costs = running.plan_table(study, store)
    if arguments.dry_run:
        _print_costs(costs, workers)
        return 0
    n_left = sum(cost.n_left for cost in costs)
    executor = open_executor(
        arguments.executor if n_left else "local",
        workers=workers,
        ray_address=arguments.ray_address,
    )
    bars: dict[str, Bar] = {}

    def show(stage: str, progress: SweepProgress) -> None:
        if stage not in bars:
            print(f"{stage}: {progress.n_runs:,} runs", file=sys.stderr)
            bars[stage] = Bar()
        _show_sweep(bars[stage], progress)

    try:
        with _interruptible() as interruption:
            outcome = running.run(
                study, store, executor, on_progress=show, should_stop=lambda: bool(interruption)
            )
    finally:
        executor.close()
        for bar in bars.values():
            bar.close()
    for run_id, reason in (outcome.failed | outcome.unfinished).items():
        print(f"{run_id}: {reason}", file=sys.stderr)
    if interruption or outcome.unfinished:
        folders = {"--runs-dir": runs_dir, "--out": out}
        words = ["python", "-m", "lm", *arguments.argv]
        for flag, folder in folders.items():
            if flag not in arguments.argv and arguments.scale == "smoke":
                words += [flag, str(folder)]
        print(f"The study is not finished. Go on with: {shlex.join(words)}", file=sys.stderr)
        return INTERRUPTED if interruption else FAILED
    print(running.write_out(study, store, out))
    if arguments.ship:
        shipped = running.ship(study, store, RunStore(PROJECT / "checkpoints" / STUDY))
        print(f"{len(shipped):,} runs shipped", file=sys.stderr)
    return 0


def _study_folders(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Where runs and results go. A smoke test never touches those that ship."""
    runs_dir, out = arguments.runs_dir, arguments.out
    if arguments.scale != "smoke":
        return runs_dir or default_root() / STUDY, out or PROJECT
    if arguments.ship or (out and out.resolve() == PROJECT.resolve()):
        raise UsageError(
            "--scale smoke never replaces what ships. Choose another --out, no --ship."
        )
    if not (runs_dir and out):
        folder = Path(tempfile.mkdtemp(prefix="lm-study-"))
        print(f"Writing to {folder}", file=sys.stderr)
        runs_dir, out = runs_dir or folder / "runs", out or folder
    return runs_dir, out


def _print_costs(costs: Sequence[Cost], workers: int | None) -> None:
    at_once = workers or n_cores()
    rows = [
        [
            cost.title,
            f"{len(cost.runs):,}",
            f"{cost.n_left:,}",
            f"{cost.flops:.3g}",
            f"{cost.flops_left:.3g}",
            forecast.in_words(cost.seconds_left / at_once) if cost.n_left else "-",
        ]
        for cost in costs
    ]
    total = [
        "all",
        f"{sum(len(cost.runs) for cost in costs):,}",
        f"{sum(cost.n_left for cost in costs):,}",
        f"{sum(cost.flops for cost in costs):.3g}",
        f"{sum(cost.flops_left for cost in costs):.3g}",
        forecast.in_words(sum(cost.seconds_left for cost in costs) / at_once),
    ]
    heading = ["section", "runs", "to train", "FLOPs", "FLOPs to come", f"time, {at_once} at once"]
    _print_table([heading, *rows, total])


# --- runs, evaluate -----------------------------------------------------------------------


def _store(arguments: argparse.Namespace) -> RunStore:
    return RunStore(arguments.runs_dir or default_root())


def _result(run: Run) -> dict[str, Any]:
    """What `train --json` prints."""
    status = run.status
    return {
        "run_id": run.run_id,
        "path": str(run.path.absolute()),
        "architecture": run.config.model.architecture,
        "dataset": run.config.data.dataset,
        "n_params": run.n_params,
        "steps": status.step,
        "tokens": status.tokens,
        "flops": status.flops.total,
        "flops_forward": status.flops.forward,
        "flops_backward": status.flops.backward,
        "flops_optimizer": status.flops.optimizer,
        "flops_per_step": run.facts["flops_per_step"]["total"],
        "train_loss": status.train_loss,
        "val_loss": status.valid.loss if status.valid else None,
        "test_loss": status.test.loss if status.test else None,
        "val_bits_per_char": status.valid.bits_per_char if status.valid else None,
        "seconds": status.seconds,
    }


def _print_result(run: Run, as_json: bool) -> None:
    result = _result(run)
    if as_json:
        _print_json(result)
        return
    _print_values(result)


def _runs(arguments: argparse.Namespace) -> int:
    scan = _store(arguments).scan()
    for sentence in scan.broken.values():
        print(sentence, file=sys.stderr)
    rows = [
        {
            "name": run.name,
            "state": run.state,
            "preset": run.config.preset,
            "created_at": run.created_at,
            "shipped": run.shipped,
            **_result(run),
        }
        for run in scan.runs
    ]
    if arguments.json:
        _print_json(rows)
        return 0
    columns = ["run_id", "state", "n_params", "steps", "flops", "val_loss", "test_loss", "name"]
    if rows:
        _print_table([columns, *([_plain(row[column]) for column in columns] for row in rows)])
    else:
        print(f"There are no runs in {_store(arguments).root} yet. Train one: python -m lm train")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.split_part not in ("valid", "test"):
        raise UsageError(
            f"--split-part must be one of valid, test. Received: {arguments.split_part!r}."
        )
    run = _store(arguments).get(arguments.run)
    from lm.datasets.counting import hybrid
    from lm.training.checkpoint import load_model
    from lm.training.device import DeviceError, resolve_device
    from lm.training.evaluation import evaluate, token_nats

    try:
        device = resolve_device(run.status.device or "cpu")
    except DeviceError:  # trained elsewhere
        device = resolve_device("cpu")
    _use_threads(run.facts["threads"])
    model = load_model(run, str(device))
    corpus = datasets.load(run.config.data, run.tokenizer())
    if corpus.sha256 != run.facts["sha256"]:
        raise datasets.DatasetError(
            f"The text of {run.config.data.dataset} is not the one that {run.name} was made for "
            f"(sha256 {corpus.sha256[:12]}…, not {run.facts['sha256'][:12]}…)."
        )
    if arguments.split_part not in corpus.splits:
        raise UsageError(f"The {run.config.data.split} split has no test part.")
    split = corpus.splits[arguments.split_part]
    if arguments.hybrid:
        parts = dict.fromkeys(["valid", arguments.split_part])
        nats = {
            name: token_nats(model, corpus.splits[name].token_ids, blocks=arguments.blocks)
            for name in parts
        }
        score = hybrid.evaluate(corpus, nats)[arguments.split_part]
    else:
        score = evaluate(
            model,
            split.token_ids,
            n_chars=split.n_chars,
            spelling_nats=split.spelling_nats,
            blocks=arguments.blocks,
        )
    result = {
        "run_id": run.run_id,
        "category": "hybrid" if arguments.hybrid else "neural",
        "protocol": "blocks" if arguments.blocks else "half-stride",
        "dataset": run.config.data.dataset,
        "split_part": arguments.split_part,
        "step": run.status.checkpoint_step,
        "loss": score.loss,
        "log_likelihood": score.log_likelihood,
        "perplexity": score.perplexity,
        "bits_per_char": score.bits_per_char,
        "total_nats": score.total_nats,
        "n_tokens": score.n_tokens,
        "n_chars": score.n_chars,
    }
    if arguments.json:
        _print_json(result)
    else:
        _print_values(result)
    return 0


class _NGramOptions(Config):
    """What `ngram` can be told."""

    order: int | None = setting(
        None,
        "Tokens in an n-gram, the predicted one included. Left out: 6, or 5 for words.",
        ge=1,
        le=20,
    )


def _ngram(arguments: argparse.Namespace) -> int:
    order = _NGramOptions(order=arguments.order).order
    given = {
        path.partition(".")[2]: value
        for flag, path in DATA_FLAGS.items()
        if (value := getattr(arguments, flag[2:])) is not None
    }
    corpus = _load(_data_config(given))
    started_at = time.perf_counter()
    found = ngram.evaluate(corpus, order or ngram.order_for(corpus.tokenizer.vocab_size))
    seconds = time.perf_counter() - started_at
    rows = [
        {
            "split_part": part,
            "loss": score.loss,
            "perplexity": score.perplexity,
            "bits_per_char": score.bits_per_char,
            "n_tokens": score.n_tokens,
        }
        for part, score in found.items()
    ]
    if arguments.json:
        _print_json({"dataset": corpus.data.dataset, "seconds": seconds, "scores": rows})
        return 0
    _print_table([list(rows[0]), *(list(map(_plain, row.values())) for row in rows)])
    print(f"\nCounted and scored in {seconds:.1f} s, with no training FLOPs.")
    return 0


# --- sample, data, flops ------------------------------------------------------------------


def _sample(arguments: argparse.Namespace) -> int:
    given = {name: getattr(arguments, name) for name in settings(SampleOptions)}
    options = SampleOptions(**{name: value for name, value in given.items() if value is not None})
    sampling = Sampling(**options.model_dump(exclude={"tokens", "texts"}))
    run = _store(arguments).get(arguments.run)
    tokenizer = run.tokenizer()
    from lm.writing.generation import generate, generate_several, prompt_ids, text_pieces
    from lm.writing.loading import load_decoder

    token_ids = prompt_ids(tokenizer, arguments.prompt)
    decoder = load_decoder(run)
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    begin = tokenizer.decode(token_ids) if arguments.prompt else ""
    if options.texts > 1:
        seeds = [sampling.seed + i for i in range(options.texts)]
        samplings = [sampling.replace(seed=seed) for seed in seeds]
        rows = list(generate_several(decoder, token_ids, options.tokens, samplings))
        for seed, text in zip(seeds, zip(*rows, strict=True), strict=True):
            print(f"--- seed {seed}\n{begin}{''.join(text_pieces(tokenizer, token_ids, text))}")
        return 0
    tokens = generate(decoder, token_ids, options.tokens, sampling)
    print(begin, end="")
    for piece in text_pieces(tokenizer, token_ids, tokens):
        print(piece, end="", flush=True)
    print()
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    # the textbook loop as its users run it: idle threads spin for a while, which is the default of
    # the OpenMP that torch brings, and which `lm` does without
    os.environ.setdefault("GOMP_SPINCOUNT", "300000")
    try:
        from bench import suite
    except ModuleNotFoundError as error:
        if error.name not in ("bench", "bench.suite"):
            raise
        raise UsageError("The benchmarks are in the project's folder: run it there.") from None
    rows = suite.run()
    if arguments.json:
        _print_json(suite.as_json(rows))
        return 0
    cells = [
        [
            row.what,
            f"{row.value:,.0f}" if row.value >= 1000 else f"{row.value:.3g}",
            row.unit,
            "-" if row.ratio is None else f"{row.ratio:.3g}",
            row.target or "-",
            row.reference or "-",
        ]
        for row in rows
    ]
    print(", ".join(f"{name}: {value}" for name, value in suite.machine().items()), end="\n\n")
    _print_table([["what", "measured", "unit", "ratio", "target", "reference"], *cells])
    return 0


def _use_threads(n_threads: int) -> None:
    import torch

    torch.set_num_threads(n_threads)


def _data(arguments: argparse.Namespace) -> int:
    if arguments.action == "list" and not arguments.names:
        return _list_data()
    if arguments.action != "download":
        raise UsageError(
            f"data takes list, or download and names. Received: "
            f"{' '.join([arguments.action, *arguments.names])!r}."
        )
    if not arguments.names:
        raise UsageError(f"Name what to download: {', '.join(datasets.downloadable())}.")
    for name in arguments.names:
        if name not in datasets.DATASETS:
            raise UsageError(_unknown("corpus", name, datasets.downloadable()))
    for name in arguments.names:
        consent = arguments.consent or _asks_consent(name)
        paths = datasets.download(name, consent, _download_progress(name))
        print(f"{name}: {', '.join(str(path) for path in paths)}")
    return 0


def _list_data() -> int:
    rows = [["corpus", "here", "licence", "how to get it"]]
    for name, dataset in datasets.DATASETS.items():
        if dataset.needs_path:
            how = "python -m lm train --text FILE"
        elif not dataset.needs_file:
            how = "needs no file"
        elif dataset.download is None:
            how = "put its files there by hand"
        else:
            consent = " --consent" if dataset.download.consent else ""
            how = f"python -m lm data download {name}{consent}"
        here = "-" if dataset.needs_path else "yes" if dataset.available else "no"
        rows.append([name, here, dataset.licence, how])
    _print_table(rows)
    return 0


def _asks_consent(name: str) -> bool:
    """Ask on a terminal; elsewhere the flag alone consents."""
    download = datasets.DATASETS[name].download
    if not (download and download.consent and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{download.consent}. Do you agree? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _download_progress(name: str) -> Callable[[int, int], None]:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total
        if sys.stderr.isatty() and percent > shown:
            end = "\n" if done == total else ""
            print(f"\r{name} {percent:3}% of {_si(total)}bytes", end=end, file=sys.stderr)
            sys.stderr.flush()
            shown = percent

    return show


def _flops(arguments: argparse.Namespace) -> int:
    given = _given(arguments, FLOPS_FLAGS)
    vocab_size = _vocab_size(arguments.vocab_size)
    if all(given["training"].get(name) is None for name in recipes.HORIZONS):
        given["training"]["steps"] = 1
    data = _data_config(given["data"])
    config = _resolve(arguments, given, data=data, vocab_size=vocab_size, n_train_tokens=1_000_000)
    n_rows, length = config.training.batch_size, config.model.context_length
    by_module = step_flops_by_module(
        config.model,
        vocab_size,
        batch_size=n_rows,
        sequence_length=length,
        optimizer=config.training.optimizer,
        objective=config.training.objective,
    )
    formula = sum(by_module.values(), FlopCount())
    sizes = {module.name: module.n_params for module in modules(config.model, vocab_size)}
    from lm.training.meter import measured_step_flops

    measured = measured_step_flops(
        config.model, vocab_size, config.training, batch_size=n_rows, sequence_length=length
    )
    if arguments.json:
        rows = [
            {"name": name, "n_params": sizes[name], **count.to_dict()}
            for name, count in by_module.items()
        ]
        _print_json({"measured": measured.to_dict(), "formula": formula.to_dict(), "modules": rows})
        return 0

    def row(name: str, size: str, count: FlopCount) -> list[str]:
        return [name, size, *(f"{part:,}" for part in count.to_dict().values())]

    total = f"{n_params(config.model, vocab_size):,}"
    print(
        f"One step of {arguments.architecture} ({arguments.preset}) on "
        f"{n_rows:,} rows of {length:,} tokens, "
        f"vocabulary {vocab_size:,}, {config.training.optimizer}:\n"
    )
    _print_table(
        [
            ["module", "parameters", "forward", "backward", "optimizer", "total"],
            *(row(name, f"{sizes[name]:,}", count) for name, count in by_module.items()),
            row("formula", total, formula),
            row("measured", total, measured),
        ]
    )
    print(
        "\nFLOPs of matrix products, 2 per multiply-add. Not counted: embedding lookups, softmax, "
        "norms, elementwise work."
    )
    return 0


class _Vocabulary(Config):
    vocab_size: int = setting(65, "Tokens in the vocabulary.", ge=2, le=10_000_000)


def _vocab_size(text: str | None) -> int:
    given: dict[str, Any] = {} if text is None else {"vocab_size": text}
    return _Vocabulary(**given).vocab_size


# --- printing -----------------------------------------------------------------------------


def _print_json(value: Any) -> None:
    print(json.dumps(value, allow_nan=False))


def _print_values(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        print(f"{name:18}  {_plain(value)}")


def _print_table(rows: list[list[str]]) -> None:
    """Columns aligned; a heading first. Numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [
        all(cell == "-" or cell[0].isdigit() for cell in column)
        for column in zip(*rows[1:], strict=True)
    ]
    for row in rows:
        cells = [
            f"{cell:>{width}}" if to_right else f"{cell:<{width}}"
            for cell, width, to_right in zip(row, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _si(value: float) -> str:
    """12.3 k, 4.56 G: three digits and the prefix of the unit that follows."""
    power = min(int(math.log10(value)) // 3, 6) if value >= 1 else 0
    return f"{value / 1000**power:.3g} {['', 'k', 'M', 'G', 'T', 'P', 'E'][power]}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
