"""Steps by a compiled program: those of PyTorch to rounding, and the same bits however divided."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jax", reason="without jax nothing is compiled")

import torch
from torch import Tensor

from lm.architectures import ArchitectureConfig, build_model
from lm.architectures.transformer.config import TransformerConfig
from lm.base.records import StepRecord
from lm.base.settings import ConfigError
from lm.cli.app import main
from lm.datasets.config import DataConfig
from lm.runs import Run, RunStore, programs
from lm.runs.config import RunConfig
from lm.runs.engines import LEAST_STEPS
from lm.runs.prepare import prepare
from lm.training import execute
from lm.training.device import threads
from lm.training.engines.compiled import engine as compiled_engine
from lm.training.engines.compiled import lowering
from lm.training.engines.compiled.engine import EAGER_STEPS, Compiled
from lm.training.engines.compiled.program import Program
from lm.training.engines.compiled.step import CompiledStep
from lm.training.engines.eager import Eager
from lm.training.loop import Training
from lm.updates.config import TrainingConfig
from tests.lm.architectures.test_models import SMALL
from tests.lm.training.test_experiment import results

STEPS = EAGER_STEPS + 80
STREAM = torch.randint(11, (3_000,), generator=torch.Generator().manual_seed(1)) ** 2 % 11
NGRAMS = {"ngram_order": 3, "ngram_rows": 61, "ngram_width": 4}
# every architecture, update, table, objective and kind of loss: a program each
KINDS: dict[str, tuple[ArchitectureConfig, dict[str, Any]]] = {
    "transformer": (
        SMALL["transformer"].replace(dropout=0.0, **NGRAMS),
        {"optimizer": "muon", "table_update": "touched_rows"},
    ),
    "members": (
        SMALL["mlp"].replace(dropout=0.0, members=2, **NGRAMS),
        {"table_update": "touched_rows"},
    ),
    "attention": (SMALL["attention"].replace(dropout=0.0), {"z_loss": 0.01}),
    "mlp": (
        SMALL["mlp"].replace(dropout=0.0, **NGRAMS),
        {"table_update": "touched_rows", "objective": "last_position"},
    ),
    "linear": (SMALL["linear"].replace(**NGRAMS), {"optimizer": "sgd"}),
}


@pytest.fixture(scope="module", autouse=True)
def _programs_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("LM_CACHE")
    os.environ["LM_CACHE"] = str(tmp_path_factory.mktemp("programs"))
    with threads(1):
        yield
    del os.environ["LM_CACHE"]
    if before is not None:
        os.environ["LM_CACHE"] = before


def settings(kind: str, **changed: Any) -> RunConfig:
    model, given = KINDS[kind]
    values = {"steps": STEPS, "batch_size": 4, "grad_clip": 0.5, **given, **changed}
    training = TrainingConfig(**values)
    return RunConfig(data=DataConfig(), model=model, training=training)


def begin(kind: str, **changed: Any) -> Compiled:
    run = settings(kind, **changed)
    return Compiled(build_model(run.model, 11, run.training.seed), run, STREAM, 1)


def records_of(engine: Eager) -> list[StepRecord]:
    every = [record for records in Training(engine).run() for record in records]
    return [dataclasses.replace(record, seconds=0.0) for record in every]


def trained(
    kind: str, compiled: bool, **changed: Any
) -> tuple[dict[str, Tensor], list[StepRecord]]:
    run = settings(kind, **changed)
    engine = begin(kind, **changed)
    if not compiled:
        engine = Eager(build_model(run.model, 11, run.training.seed), run, STREAM)
    records = records_of(engine)
    assert engine.not_compiled is None
    return {name: tensor.clone() for name, tensor in engine.weights().items()}, records


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_torchs_steps_to_rounding(kind: str) -> None:
    _, eager = trained(kind, compiled=False)
    _, compiled = trained(kind, compiled=True)
    assert compiled[:EAGER_STEPS] == eager[:EAGER_STEPS]  # which are PyTorch's own
    assert compiled[EAGER_STEPS:] != eager[EAGER_STEPS:]
    assert [record.step for record in compiled] == list(range(1, STEPS + 1))
    # Muon rounds to bfloat16, differently in the last place
    tolerance = 2e-2 if kind == "transformer" else 1e-4
    for ours, theirs in zip(compiled, eager, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=tolerance)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=5 * tolerance)
        assert (ours.learning_rate, ours.flops) == (theirs.learning_rate, theirs.flops)


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_one_call_takes_changes_no_bit(kind: str, monkeypatch) -> None:
    whole, records = trained(kind, compiled=True)
    engine = begin(kind)
    monkeypatch.setattr(compiled_engine, "CALL_SECONDS", 0.0)  # one at a time, once one is timed
    assert records_of(engine) == records
    single = engine.weights()
    assert all(torch.equal(whole[name], single[name]) for name in whole)


def test_settings_that_change_no_shape_share_a_program(monkeypatch) -> None:
    trained("mlp", compiled=True)
    monkeypatch.delattr(Program, "compiled")  # so there is none to make
    others = {
        "seed": 7,
        "learning_rate": 0.003,
        "weight_decay": 0.3,
        "beta1": 0.8,
        "beta2": 0.95,
        "schedule": "cosine",
        "warmup_fraction": 0.2,
        "grad_clip": 0.0,
    }
    for name, value in others.items():
        _, eager = trained("mlp", compiled=False, **{name: value})
        _, compiled = trained("mlp", compiled=True, **{name: value})
        assert compiled[-1].train_loss == pytest.approx(eager[-1].train_loss, rel=1e-3), name
        assert compiled != eager
    engine = begin("mlp", batch_size=5)
    records_of(engine)
    assert engine.not_compiled  # it would have to be made


def test_a_last_step_of_another_shape_is_torchs() -> None:
    """A plan has one where whole steps would leave too much of a budget."""
    budget = {"steps": None, "budget": 8.7 * begin("attention").plan.step.total}
    the_plan = begin("attention", **budget).plan
    assert the_plan.last_shape != the_plan.shape
    eager, compiled = (
        [record.train_loss for record in trained("attention", how, **budget)[1]]
        for how in (False, True)
    )
    assert eager != compiled
    assert eager == pytest.approx(compiled, rel=1e-4)


# --- on disk --------------------------------------------------------------------------------------


def file_of(kind: str) -> Path:
    return programs.folder() / f"{begin(kind).name}.xla"


@pytest.mark.parametrize(
    "damage", [lambda kept: b"", lambda kept: b"damage" + kept[6:], lambda kept: kept[:-100]]
)
def test_a_damaged_program_is_made_anew(damage: Callable[[bytes], bytes]) -> None:
    _, records = trained("attention", compiled=True)
    path = file_of("attention")
    path.write_bytes(damage(path.read_bytes()))
    assert programs.load(path.stem) is None
    assert trained("attention", compiled=True)[1] == records
    assert programs.load(path.stem) is not None


def test_of_two_that_need_a_program_one_makes_it(monkeypatch) -> None:
    """The other goes on taking no steps, so that it can be paused, until the program is there."""
    path = file_of("attention")
    kept = path.read_bytes()
    path.unlink()
    with programs.making(path.stem) as ours:
        assert ours()
        engine = begin("attention")
        records = Training(engine).run()
        for _ in range(EAGER_STEPS + 3):
            next(records)
        assert (engine.step, engine.compiling) == (EAGER_STEPS, True)
        path.write_bytes(kept)
    monkeypatch.delattr(Program, "compiled")
    list(records)
    assert (engine.step, engine.compiling, engine.not_compiled) == (STEPS, False, None)
    with programs.making(path.stem) as ours:
        assert ours()  # nobody has it any more


def test_a_program_is_for_what_made_it(monkeypatch) -> None:
    names = {file_of(kind) for kind in KINDS}
    assert len(names) == len(KINDS)
    assert file_of("linear") in names
    for what in ("torch", "jax", "jaxlib", "sources", "processor"):
        here = programs.here()
        assert here[what]
        monkeypatch.setattr(
            programs, "here", lambda here=here, what=what: {**here, what: "another"}
        )
        assert file_of("linear") not in names


def test_the_programs_used_last_are_kept(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("LM_CACHE", str(tmp_path / "programs"))
    monkeypatch.setattr(programs, "MOST_BYTES", 1_000)
    for i, name in enumerate("abc"):
        programs.save(name, bytes(400))
        os.utime(programs.folder() / f"{name}.xla", (i, i))
    assert programs.load("a") is None
    assert programs.load("b") == bytes(400)  # and so it was used after c
    programs.save("d", bytes(400))
    assert [name for name in "abcd" if programs.load(name)] == ["b", "d"]
    assert main(["cache", "--clear"]) == 0
    assert "Removed 2 programs" in capsys.readouterr().out
    assert not list(programs.folder().iterdir())


# --- whole runs -----------------------------------------------------------------------------------


def config(**changed: Any) -> RunConfig:
    model = TransformerConfig(
        context_length=16,
        d_model=16,
        d_ff=32,
        n_heads=2,
        n_layers=1,
        dropout=0.1,
        ngram_dropout=0.1,
        **NGRAMS,
    )
    given = {"steps": STEPS, "batch_size": 4, "table_update": "touched_rows", **changed}
    training = TrainingConfig(**{"engine": "compiled", **given})
    data = DataConfig(dataset="known_entropy", n_chars=2_000)
    return RunConfig(data=data, model=model, training=training)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return execute(prepare(config(), RunStore(tmp_path_factory.mktemp("undisturbed"))))


def test_the_engine_is_a_fact(undisturbed: Run, store: RunStore) -> None:
    assert undisturbed.facts.engine == "compiled"
    assert undisturbed.status.not_compiled is None
    eager = execute(prepare(config(engine="eager"), store))
    assert eager.facts.engine == "eager"
    assert results(eager)["weights"] != results(undisturbed)["weights"]
    assert eager.status.valid is not None
    assert undisturbed.status.valid is not None
    # other masks of dropout
    assert eager.status.valid.loss == pytest.approx(undisturbed.status.valid.loss, abs=0.1)


@pytest.mark.parametrize(
    "pauses",
    [[1], [2, EAGER_STEPS, 9], [EAGER_STEPS + 1], [17, 49, 50, 51], [53, 60, 61, STEPS - 1]],
)
def test_a_run_paused_anywhere_ends_where_an_undisturbed_one_ends(
    store: RunStore, undisturbed: Run, pauses: list[int]
) -> None:
    run = prepare(config(), store)
    for step in pauses:
        run = execute(run, until_step=step)
        assert (run.state, run.status.step, run.status.checkpoint_step) == ("paused", step, step)
    assert results(execute(run)) == results(undisturbed)


def test_a_model_with_an_operator_without_a_rule_trains_eagerly(
    store: RunStore, undisturbed: Run, monkeypatch
) -> None:
    monkeypatch.setenv("LM_CACHE", str(store.root / "none"))
    monkeypatch.delitem(lowering.RULES, "bmm")
    run = execute(prepare(config(), store))
    assert run.state == "complete"
    assert "aten.bmm" in (run.status.not_compiled or "")
    eager = execute(prepare(config(engine="eager"), store))
    assert results(run)["weights"] == results(eager)["weights"]


def test_a_step_that_cannot_be_traced_trains_eagerly(store: RunStore, monkeypatch) -> None:
    def traced(self: CompiledStep) -> None:
        raise RuntimeError("It depends on numbers.\nMore about it.")

    monkeypatch.setenv("LM_CACHE", str(store.root / "none"))
    monkeypatch.setattr(CompiledStep, "trace", traced)
    run = execute(prepare(config(), store))
    assert (run.state, run.status.compiling) == ("complete", False)
    assert run.status.not_compiled == "RuntimeError: It depends on numbers."


def test_without_jax_everything_trains(store: RunStore) -> None:
    """In a process where it cannot be imported: a new run, and one that was begun with it."""
    half = execute(prepare(config(), store), until_step=STEPS - 5)
    script = f"""
import sys
sys.modules["jax"] = None
from lm.base.settings import ConfigError
from lm.runs import RunStore
from lm.runs.prepare import prepare
from lm.training import execute
store = RunStore({str(store.root)!r})
half = store.get({half.run_id!r})
print(execute(half).status.not_compiled)
for engine in ("auto", "compiled"):
    training = half.config.training.replace(engine=engine, steps=500)
    try:
        print(execute(prepare(half.config.replace(training=training), store)).facts.engine)
    except ConfigError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.stderr == ""
    begun, new, refused = told.stdout.splitlines()
    assert "jax" in begun
    assert half.reload().state == "complete"
    assert new == "eager"
    assert refused == (
        "training.engine=compiled is not possible: jax is not installed. "
        "Install it with: pip install jax"
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"threads": 3}, "it takes at most 2 threads. The run has 3."),
        ({"precision": "bfloat16"}, "it computes in float32. The run has precision=bfloat16."),
        ({"device": "cuda"}, "it computes on the processor. The run is for cuda."),
    ],
)
def test_what_cannot_be_compiled_is_a_sentence(
    store: RunStore, changed: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        prepare(config(**changed), store, most_threads=3)


def test_auto_compiles_long_runs_of_small_steps(store: RunStore) -> None:
    def engine(**changed: Any) -> str:
        return prepare(config(engine="auto", **changed), store, most_threads=3).facts.engine

    assert engine(steps=LEAST_STEPS) == "compiled"
    assert engine(steps=LEAST_STEPS - 1) == "eager"
    assert engine(steps=LEAST_STEPS, threads=2) == "compiled"
    assert engine(steps=LEAST_STEPS, threads=3) == "eager"


def test_a_run_has_its_threads_whatever_the_process_did_before(store: RunStore) -> None:
    """Another number of them would give other bits."""
    shape = {"d_model": 64, "d_ff": 256, "context_length": 64, "n_heads": 4}
    model = config().model.replace(**shape)

    def prepared(n_threads: int) -> Run:
        settings = config(steps=EAGER_STEPS + 12, batch_size=32, threads=n_threads)
        return prepare(settings.replace(model=model), store, most_threads=2)

    def weights(run: Run) -> bytes:
        return execute(run).weights_path.read_bytes()

    apart = prepared(2)
    assert apart.facts.threads == 2
    script = "import sys; from lm.runs import RunStore; from lm.training import execute; "
    script += "execute(RunStore(sys.argv[1]).get(sys.argv[2]))"
    in_another = [sys.executable, "-c", script, str(store.root), apart.run_id]
    subprocess.run(in_another, check=True)
    one, two, one_more = (weights(prepared(n_threads)) for n_threads in (1, 2, 1))
    assert two == apart.reload().weights_path.read_bytes()
    assert one == one_more != two
