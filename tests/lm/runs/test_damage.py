"""What damaged files of a run do: the run is named with a reason, or it can be used like any."""

import copy
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lm import charts
from lm.runs import BrokenRunError, Run, RunStore, read_run, table
from tests.lm.runs.test_runs import GOLDEN

FILES = ("config.json", "status.json", "metrics.jsonl", "samples.jsonl", "name.json")

ODD: list[Any] = [
    *(0, -1, 10**50, -(10**50), 2**63, 1.5, 1e308, -0.0, math.nan, math.inf, -math.inf),
    *("", "text", "7", "\ud800", "a\nb\0", "<b>", "x" * 5_000),
    *(None, True, False, [], [1], [[]], {}, {"a": 1}),
]
values = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run that has a later name."""
    path = tmp_path_factory.mktemp("sound") / "sound"
    shutil.copytree(GOLDEN / "complete", path)
    (path / "name.json").write_text('{"name": "later"}')
    return path


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON document with every key or index that it has."""
    keys = document if isinstance(document, dict) else range(len(document))
    for key in list(keys):
        yield document, key
        if isinstance(document[key], dict | list):
            yield from places(document[key])


def changed(path: Path, change: Callable[[list[tuple[Any, Any]]], None]) -> bytes:
    """The content of a file after a change to one of its places."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    documents = [json.loads(line) for line in lines]
    change([place for document in documents for place in places(document)])
    return "\n".join(json.dumps(document) for document in documents).encode()


def use(run: Run) -> None:
    """All that a page does with a run's numbers."""
    frame = pd.concat([table.dataframe([run]), table.dataframe([run])])
    assert frame.to_csv(index=False).encode()
    exported = pd.DataFrame([table.exported_row(run, {"architecture": "linear"})] * 2)
    assert exported.to_csv(index=False).encode()
    looks = charts.run_looks({run.run_id: "linear"}, {run.run_id: run.name})
    for column in [*table.offered("x"), *table.offered("y")]:
        assert column.value(run) is None or isinstance(column.value(run), int | float)
    charts.results_chart(
        exported, looks, x="flops", y="val_perplexity", x_title="x", y_title="y", log_x=True
    ).to_json()
    metrics = run.metrics()
    assert metrics["step"].is_monotonic_increasing
    assert metrics.drop(columns="sampled_val_loss").notna().all(axis=None)
    if len(metrics):
        charts.training_curves({run.run_id: metrics}, looks, y="train_loss").to_json()
    assert run.samples().to_csv().encode()
    assert repr(run)
    assert run._repr_html_().encode()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), file=st.sampled_from(FILES))
def test_a_damaged_file_is_named_or_the_run_can_be_used(sound, tmp_path, data, file):
    path = tmp_path / "run"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(sound, path)

    def change(found: list[tuple[Any, Any]]) -> None:
        container, key = data.draw(st.sampled_from(found))
        if data.draw(st.booleans(), label="delete"):
            del container[key]
        else:
            container[key] = copy.deepcopy(data.draw(values))

    (path / file).write_bytes(changed(path / file, change))
    scan = RunStore(tmp_path).scan()
    for reason in scan.broken.values():
        assert file in reason
        assert len(reason) < 500
    assert len(scan.runs) + len(scan.broken) == 1
    for run in scan.runs:
        use(run)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"NaN", b""])
def test_what_is_no_json_object_is_named_or_skipped(sound, tmp_path, file, content):
    shutil.copytree(sound, tmp_path / "run")
    (tmp_path / "run" / file).write_bytes(content)
    scan = RunStore(tmp_path).scan()
    if file.endswith(".jsonl"):
        assert scan.runs[0].rows() == ([] if file == "metrics.jsonl" else read_run(sound).rows())
        assert scan.runs[0].samples().empty == (file == "samples.jsonl")
    else:
        assert not scan.runs
        assert file in scan.broken[tmp_path / "run"]


@pytest.mark.parametrize(
    ("file", "where", "value", "reason"),
    [
        ("config.json", ("facts", "tokens"), 0, "facts.tokens must be a whole number from 1"),
        ("config.json", ("facts", "n_params"), "7", "facts.n_params must be a whole number"),
        ("config.json", ("facts", "n_params"), True, "facts.n_params must be a whole number"),
        ("config.json", ("facts", "n_steps"), 10**50, "facts.n_steps must be a whole number"),
        ("config.json", ("facts", "threads"), [1], "facts.threads must be a whole number"),
        ("config.json", ("facts", "sha256"), "00", "facts.sha256 must be 64 hexadecimal digits"),
        ("config.json", ("facts",), [], "facts must be a JSON object"),
        ("config.json", ("created_at",), 7, "created_at must be"),
        ("config.json", ("model", "architecture"), [], "config.json"),
        ("status.json", ("state",), "interrupted", "state must be one of created, running"),
        ("status.json", ("valid", "n_tokens"), 0, "valid.n_tokens must be a whole number from 1"),
        ("status.json", ("valid", "total_nats"), math.nan, "valid.total_nats must be a finite"),
        ("status.json", ("flops",), 5, "flops must be a JSON object"),
        ("status.json", ("seconds",), math.inf, "seconds must be a finite number"),
    ],
)
def test_damaged_numbers_are_named_with_their_rule(sound, tmp_path, file, where, value, reason):
    shutil.copytree(sound, tmp_path / "run")
    document = json.loads((sound / file).read_text())
    container = document
    for key in where[:-1]:
        container = container[key]
    container[where[-1]] = value
    (tmp_path / "run" / file).write_text(json.dumps(document))
    scan = RunStore(tmp_path).scan()
    assert not scan.runs
    assert reason in scan.broken[tmp_path / "run"]


def test_a_missing_fact_is_named_and_an_unknown_one_ignored(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["facts"]["mood"] = "sunny"
    path.write_text(json.dumps(config))
    assert read_run(tmp_path / "run").facts == read_run(sound).facts
    del config["facts"]["threads"]
    path.write_text(json.dumps(config))
    with pytest.raises(BrokenRunError, match=r"facts\.threads is missing"):
        read_run(tmp_path / "run")


def test_rows_whose_values_are_no_numbers_are_skipped_as_torn_lines_are(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "run")
    path = tmp_path / "run" / "metrics.jsonl"
    first, *rest = path.read_text().splitlines()
    odd = [json.dumps({**json.loads(first), "flops": flops}) for flops in ("1", 10**50, None, [])]
    odd.append(json.dumps({**json.loads(first), "train_loss": math.nan}))
    odd += ["[]", "7", "", '{"step": 9}', "[" * 100_000]
    path.write_text("\n".join([*odd, *rest, *odd]))
    assert read_run(tmp_path / "run").rows() == read_run(sound).rows()[1:]


def test_a_loss_beyond_any_model_has_a_perplexity(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "run")
    path = tmp_path / "run" / "status.json"
    status = json.loads(path.read_text())
    status["valid"]["total_nats"] = 1e200
    path.write_text(json.dumps(status))
    run = read_run(tmp_path / "run")
    assert run.status.valid.perplexity == math.inf
    use(run)
