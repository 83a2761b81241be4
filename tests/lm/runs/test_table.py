"""A run as a row: one registry of columns, and every table that is made of it."""

from pathlib import Path

import pytest

from lm.base.settings import ConfigError
from lm.runs import RunStore, table
from lm.runs.table import COLUMNS, Column

GOLDEN = Path(__file__).parents[2] / "golden" / "v1"
CSV = (
    "run_id,name,state,n_params,steps,tokens,flops,operations,bytes,seconds,"
    "val_loss,val_log_likelihood,val_perplexity,val_bits_per_char,"
    "test_loss,test_log_likelihood,test_perplexity,test_bits_per_char"
)
JSON = (
    "run_id,path,architecture,dataset,n_params,steps,tokens,flops,flops_forward,flops_backward,"
    "flops_optimizer,flops_per_step,train_loss,val_loss,test_loss,val_bits_per_char,seconds,"
    "operations,bytes,text,tokenizer,test_bits_per_char,val_unknown_share"
)


def test_headers_that_others_read_stay_what_they_are():
    run = RunStore(GOLDEN).get("complete")
    assert ",".join(table.exported_row(run, {})) == CSV
    assert list(table.exported_row(run, {"d_model": 8}))[3] == "d_model"
    assert ",".join(table.json_row(run)) == JSON


def test_a_row_holds_what_the_run_came_to():
    run = RunStore(GOLDEN).get("complete")
    row = table.row(run, COLUMNS)
    assert row["val_loss"] == run.status.valid.loss == -row["val_log_likelihood"]
    assert (row["step"], row["n_steps"], row["flops"]) == (3, 3, 13_824)
    assert row["flops"] == sum(
        row[f"flops_{part}"] for part in ("forward", "backward", "optimizer")
    )
    paused = table.row(RunStore(GOLDEN).get("paused"), ("val_loss", "test_bits_per_char"))
    assert set(paused.values()) == {None}


def test_bits_per_character_compare_across_tokenizers_and_losses_do_not():
    across = [column.name for column in table.offered("y") if not column.per_token]
    assert across == ["val_bits_per_char", "test_bits_per_char", "seconds"]


def test_a_column_is_added_through_the_registry_alone():
    toy = Column(
        name="toy",
        title="Steps per parameter",
        value=lambda run: run.n_steps / run.n_params,
        axes=("x", "y"),
    )
    run = RunStore(GOLDEN).get("complete")
    with COLUMNS.including(toy):
        assert table.dataframe([run])["toy"].tolist() == [3 / 168]
        assert table.exported_row(run, {})["toy"] == 3 / 168
        assert toy in table.offered("x")
        assert toy in table.offered("y")
    assert "toy" not in table.exported_row(run, {})


def test_a_table_of_no_runs_has_its_columns():
    assert list(table.dataframe([])) == [*sorted(COLUMNS, key=lambda n: not COLUMNS[n].heads)]


def test_an_unknown_column_is_a_sentence():
    with pytest.raises(ConfigError, match=r"Received: 'val_los'\. Did you mean val_loss\?"):
        table.column("val_los")
