"""Operations and bytes: counts made by hand, operator by operator, and what must hold of any run.

A line of a count is an operator with its operations and the numbers that it reads and writes. An
addition, multiplication or comparison is one operation, a division or a root four, an exponential,
logarithm, error function or random number eight.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.architectures import ARCHITECTURES
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.transformer.config import TransformerConfig
from lm.architectures.work import OPERATORS
from lm.datasets.config import DataConfig
from lm.runs import Run, RunStore, recipes
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.runs.scale import scale_at, step_scale, step_scale_by_module
from lm.updates.config import TrainingConfig
from tests.lm.architectures.strategies import model_configs, training_configs

GOLDEN = Path(__file__).parents[2] / "golden" / "v1"


def config(model, **training) -> RunConfig:
    settings = {"steps": 10, "optimizer": "adamw", "table_update": "every_row", **training}
    return RunConfig(data=DataConfig(), model=model, training=TrainingConfig(**settings))


def check(run: RunConfig, vocab_size: int, shape: tuple[int, int], **counts) -> None:
    """`counts`: forward, backward and optimizer, each a list of (operations, numbers moved)."""
    scale = step_scale(run, vocab_size, *shape)
    for part, lines in counts.items():
        operations, moved = (sum(column) for column in zip(*lines, strict=True))
        assert getattr(scale.operations, part) == operations, part
        assert getattr(scale.bytes, part) == 4 * moved, part


def test_softmax_regression_by_sgd() -> None:
    # a window of 2 embeddings of 3, 5 tokens, an offset: 15 + 30 + 5 parameters
    model = LinearConfig(context_length=2, d_embed=3, bias=True)
    # 2 rows of 4: 8 predictions, and 10 embeddings, since a window reaches before its row
    check(
        config(model, optimizer="sgd", grad_clip=0.0),
        5,
        (2, 4),
        forward=[
            (10 * 3, 10 * 3 + 10 * 3),  # embeddings are read, and written side by side
            (0, 8 * 6 + 8 * 6),  # windows are read and written
            (2 * 8 * 6 * 5, 8 * 6 + 6 * 5 + 8 * 5),  # the product: both factors, the result
            (8 * 5, 8 * 5 + 8 * 5),  # + offset
            (8 * 5 * (1 + 1 + 8 + 1), 8 * 5),  # greatest, less it, exp, sum
            (8 * (8 + 1 + 1 + 1), 0),  # log Z, + greatest, less the own logit, into the mean
        ],
        backward=[
            (8 * 5 * (1 + 8 + 1), 8 * 5 + 8 * 5),  # exp(logit - log Z) / N: logits in, gradient out
            (8 * 1, 0),  # less one, for the token that came
            (8 * 5, 8 * 5),  # gradients of the offset are summed
            (2 * 8 * 6 * 5, 8 * 5 + 6 * 5 + 8 * 6),  # of the windows
            (2 * 8 * 6 * 5, 8 * 5 + 8 * 6 + 6 * 5),  # of the matrix
            (8 * 6, 8 * 6 + 8 * 6 + 8 * 6),  # windows overlap: added to what is there
            (0, 5 * 3),  # the embeddings' gradient is zero at first,
            (10 * 3, 3 * 10 * 3),  # and each position adds to its token's row
        ],
        optimizer=[
            (50 * 2, 50),  # the norm: squares, and their sum
            # g + decay · w, momentum · b + that, w - rate · b; w, g, b are read, b, w written
            (50 * 6, 50 * 5),
        ],
    )


def test_a_multi_layer_perceptron_whose_tables_pay_for_the_rows_they_touch() -> None:
    # windows of 3 tokens hold 2 embeddings of 2, each with its bigram; 3 hidden features
    model = MLPConfig(
        context_length=3,
        d_embed=2,
        ngram_order=2,
        ngram_rows=8,
        ngram_width=2,
        n_layers=1,
        d_hidden=3,
        activation="relu2",
        dropout=0.5,
        bias=False,
    )
    # 1 row of 4: 4 predictions, 5 embeddings; 4 tokens. 8 + 4 + 12 + 12 parameters and the table
    update = 3 + 4 + 1 + 1 + 4 + 4 + 1 + 4 + 1  # AdamW: m, v, decay, rate · m, /(√v / root + ε), -
    passed = 1 + 1 + 4 + 1 + 4 + 1 + 2  # w · kept - m · moved / (√v + ε); both moments fade
    row = (1 + 8) + 2 * 4 + (4 + 1) + 2  # what was kept, two sums, their quotient · ε, what is left
    check(
        config(model, table_update="touched_rows", grad_clip=1.0),
        4,
        (1, 4),
        forward=[
            (5 * 2, 2 * 5 * 2),  # embeddings
            (5 * 1 * (6 + 4), 4 * 5),  # a bigram's row: six operations and a remainder
            (5 * 2, 2 * 5 * 2),  # the rows
            (2 * 5 * 2 * 2, 5 * 2 + 2 * 2 + 5 * 2),  # their map,
            (5 * 2, 3 * 5 * 2),  # added to the embeddings
            (0, 2 * 4 * 4),  # windows
            (2 * 4 * 4 * 3, 4 * 4 + 4 * 3 + 4 * 3),  # the hidden layer
            (4 * 3 * 2, 2 * 4 * 3),  # max(0, x)²
            (4 * 3 * (8 + 1 + 1), 3 * 4 * 3),  # random, smaller than p?, times the mask
            (2 * 4 * 3 * 4, 4 * 3 + 3 * 4 + 4 * 4),  # the head
            (4 * 4 * 11 + 4 * 11, 4 * 4),  # the loss
        ],
        backward=[
            (4 * 4 * 10 + 4, 2 * 4 * 4),
            (2 * 2 * 4 * 3 * 4, 2 * (4 * 3 + 3 * 4 + 4 * 4)),
            (4 * 3, 3 * 4 * 3),  # the mask again
            (4 * 3 * 3, 3 * 4 * 3),  # g · 2 · max(0, x)
            (2 * 2 * 4 * 4 * 3, 2 * (4 * 4 + 4 * 3 + 4 * 3)),
            (4 * 4, 3 * 4 * 4),  # windows overlap
            (5 * 2, 3 * 5 * 2),  # gradients of the sum meet in what both came from
            (2 * 2 * 5 * 2 * 2, 2 * (5 * 2 + 2 * 2 + 5 * 2)),
            (5 * 2, 3 * 5 * 2),  # rows of the table; its gradient is no table of zeros
            (0, 4 * 2),
            (5 * 2, 3 * 5 * 2),
        ],
        optimizer=[
            (36 * (2 + 1), 36 * (1 + 2)),  # the norm, and the clipping
            (36 * update, 36 * 7),
            (5 * 2 * (2 + 1), 5 * 2 * (1 + 2)),  # of 5 rows of the table
            (5 * 2 * (update + passed) + 5 * row, 5 * 2 * (7 + 4) + 5 * 7),
        ],
    )


def test_a_transformer() -> None:
    # 1 block, 2 heads of 2, d 4, d_ff 3, 5 tokens
    model = TransformerConfig(
        context_length=3,
        d_model=4,
        d_ff=3,
        n_heads=2,
        n_layers=1,
        activation="gelu",
        positional_encoding="rotary",
        norm="rms",
        qk_norm=True,
        bias=False,
        tie_embeddings=True,
    )
    n, pairs = 2 * 3, 2 * 3 * 3  # 2 rows of 3 positions, and who attends to whom
    norm = (n * (4 * 4 + 10), 2 * n * 4)  # x², sum, · root, · weight; mean, + ε, √, 1/
    norm_back = (n * (4 * 8 + 1), 3 * n * 4)
    parameters = 5 * 4 + 4 + 4 * 12 + 4 * 4 + 4 + 4 * 3 + 3 * 4 + 4

    def product(d_in: int, d_out: int) -> tuple[int, int]:
        return 2 * n * d_in * d_out, n * d_in + d_in * d_out + n * d_out

    def product_back(d_in: int, d_out: int) -> tuple[int, int]:
        operations, moved = product(d_in, d_out)
        return 2 * operations, 2 * moved

    check(
        config(model, grad_clip=1.0, z_loss=0.1),
        5,
        (2, 3),
        forward=[
            (n * 4, 2 * n * 4),  # embeddings
            norm,
            product(4, 12),
            (n * (8 * 3 + 2 * 2 * 10), 2 * n * 8),  # norms of 2 queries and 2 keys
            (n * 8 * 3, 2 * n * 8),  # turned
            (2 * pairs * 4, 2 * n * 4 + 2 * pairs),  # q kᵀ: 2 heads
            (2 * pairs * 2, 2 * 2 * pairs),  # scaled, hidden
            (2 * pairs * 12 + 2 * n * 4, 2 * 2 * pairs),  # softmax, one over each sum
            (2 * pairs * 4, n * 4 + 2 * pairs + n * 4),  # times the values
            product(4, 4),
            (n * 4, 3 * n * 4),  # onto the stream
            norm,
            product(4, 3),
            (n * 3 * (8 + 4), 2 * n * 3),  # x/2 · (1 + erf(x/√2))
            product(3, 4),
            (n * 4, 3 * n * 4),
            norm,
            product(4, 5),
            (n * 5 * 11 + n * (8 + 3 + 3), n * 5),  # the loss, with (log Z)², z · it, + it
        ],
        backward=[
            (n * 5 * 11 + n * 3, 2 * n * 5),  # · (1 + 2z log Z)
            product_back(4, 5),
            (5 * 4, 3 * 5 * 4),  # both uses of the embedding
            norm_back,
            (n * 4, 3 * n * 4),
            product_back(3, 4),
            (n * 3 * (2 * 8 + 9), 3 * n * 3),
            product_back(4, 3),
            norm_back,
            (n * 4, 3 * n * 4),
            product_back(4, 4),
            (2 * 2 * pairs * 4, 2 * (n * 4 + 2 * pairs + n * 4)),
            (2 * pairs * 4, 3 * 2 * pairs),  # p · (g - Σ g · p)
            (2 * pairs * 2, 2 * 2 * pairs),
            (2 * 2 * pairs * 4, 2 * (2 * n * 4 + 2 * pairs)),
            (n * 8 * 3, 2 * n * 8),
            (n * (8 * 5 + 2 * 2 * 1), 3 * n * 8),
            product_back(4, 12),
            norm_back,
            (0, 5 * 4),
            (n * 4, 3 * n * 4),
        ],
        optimizer=[
            (parameters * 3, parameters * 3),
            (parameters * 23, parameters * 7),
        ],
    )


# --- what must hold of any run --------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_flop_is_an_operation_and_parts_add_up(data) -> None:
    model = data.draw(model_configs())
    training = data.draw(training_configs(model))
    run = RunConfig(data=DataConfig(), model=model, training=training)
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, model.longest_row or 9)))
    flops = step_flops(
        model,
        50,
        batch_size=shape[0],
        sequence_length=shape[1],
        optimizer=training.optimizer,
        objective=training.objective,
    )
    scale = step_scale(run, 50, *shape)
    for part in ("forward", "backward", "optimizer"):
        assert getattr(scale.operations, part) > getattr(flops, part)
        assert getattr(scale.bytes, part) > 0
    modules = step_scale_by_module(run, 50, *shape).values()
    assert sum(each.operations.total for each in modules) == scale.operations.total


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_tables_cost_what_they_hold_or_what_is_read_of_them(name: str) -> None:
    every, touched = (
        {
            rows: step_scale(
                config(
                    ARCHITECTURES[name].config(ngram_order=3, ngram_rows=rows, ngram_width=4),
                    table_update=rule,
                ),
                65,
                8,
                8,
            )
            for rows in (1_000, 2_000)
        }
        for rule in ("every_row", "touched_rows")
    )
    more = every[2_000].operations.total - every[1_000].operations.total
    assert more == 2 * 1_000 * 4 * (23 + 3)  # AdamW and the clipping, on 2 tables of 4 features
    assert touched[2_000] == touched[1_000]


def test_a_run_stores_its_scale_and_an_older_one_has_it_from_its_config(tmp_path: Path) -> None:
    chosen = recipes.resolve(
        architecture="transformer",
        data=DataConfig(dataset="known_entropy", n_chars=3_000),
        vocab_size=3,
        n_train_tokens=2_700,
        budget=1.75e6,
        preset="study",
    )
    run = prepare(chosen, RunStore(tmp_path))
    assert run.scale.operations.total == run.scale.bytes.total == 0  # nothing is trained yet
    stored = json.loads((run.path / "config.json").read_text(encoding="utf-8"))["facts"]
    steps = plan(chosen, run.vocab_size, run.facts.n_train_tokens)
    assert steps.last_shape != steps.shape
    whole = scale_at(chosen, run.vocab_size, steps, steps.n_steps)
    assert stored["operations"] == whole.operations.to_dict()
    assert stored["bytes"] == whole.bytes.to_dict()
    before_last = scale_at(chosen, run.vocab_size, steps, steps.n_steps - 1)
    last = step_scale(chosen, run.vocab_size, *steps.last_shape)
    assert (before_last + last) == whole

    old: Run = RunStore(GOLDEN).get("complete")
    assert old.facts.operations is None
    shape = (old.config.training.batch_size, old.config.sequence_length)
    assert old.scale == step_scale(old.config, old.vocab_size, *shape) * old.n_steps


def test_every_operator_has_a_price() -> None:
    for operator in OPERATORS.values():
        assert operator.forward.moved > 0 or operator.backward.moved > 0
