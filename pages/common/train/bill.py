"""What a run would cost, before it runs."""

import pandas as pd
import streamlit as st

from lm.architectures import modules
from lm.base.flops import Cost, flops_text
from lm.runs import Run, forecast
from lm.runs.config import RunConfig
from lm.runs.flops import step_flops_by_module
from lm.runs.plan import Plan
from lm.runs.remarks import slow_tables
from lm.runs.scale import NOTHING, scale_at, step_scale_by_module
from pages.common import theme, wording
from pages.common.drafts import Draft
from pages.common.train.form import CHOICES


def show(draft: Draft, runs: list[Run]) -> None:
    """The parameters, steps, FLOPs and time of a run that has not started."""
    config, steps = draft.config, draft.plan
    if config is None or steps is None:
        return
    assert draft.corpus is not None
    vocab_size = draft.corpus.tokenizer.vocab_size
    counted, tables = "Trainable numbers, shared ones counted once.", ""
    if draft.n_table_params:
        counted = (
            f"Trainable numbers. {wording.count(draft.n_table_params)} of them lie in tables of "
            "n-grams, from which each prediction looks up a few: no FLOPs, and much of what the "
            f"model knows. Everything else has {draft.n_params - draft.n_table_params:,}."
        )
        tables = f"{wording.parameters(draft.n_params, draft.n_table_params)}. "
    basis = (
        "Predicted from the runs that were trained on this machine."
        if forecast.measured(runs)
        else "A rough guess: nothing has been trained on this machine yet."
    )
    seconds = forecast.in_words(forecast.seconds(config, steps, vocab_size, runs))
    wording.metrics(
        ("Parameters", wording.count(draft.n_params), counted),
        ("Steps", wording.count(steps.n_steps), ""),
        ("FLOPs per step", flops_text(steps.step.total), ""),
        ("Training FLOPs", flops_text(steps.flops.total), wording.NOT_COUNTED),
        ("Time here, about", seconds, basis),
        key="bill",
    )
    rows, length = steps.shape
    n_train_tokens = draft.corpus.train.n_tokens
    epochs = steps.tokens / n_train_tokens
    times = f"{epochs:.2g}" if epochs < 100 else f"{epochs:,.0f}"
    several = ""
    if (n_models := config.model.members) > 1:
        several = (
            f"{n_models} models learn side by side, and the mean of their probabilities predicts: "
            "seen so often, a text has less to teach one alone. "
        )
    st.caption(
        f"{tables}{rows:,} × {length:,} predictions a step, {wording.short(steps.tokens)} in all: "
        f"{times} times through the {wording.short(n_train_tokens)} tokens of the "
        f"train split. {several}{wording.NOT_COUNTED}"
    )
    if unspent := config.training.unspent:
        cap, left = flops_text(config.training.most_flops or 0), flops_text(unspent)
        text = (
            f"**{wording.architecture(draft.architecture)} has learnt what this text can teach it "
            f"after about {cap} FLOPs.** More will not help: the run keeps to that and leaves "
            f"{left} unspent. A higher *budget cap* under More settings spends them all the same."
        )
        if "budget_cap" in CHOICES.values:
            text = f"The run keeps to the budget cap of {cap} FLOPs and leaves {left} unspent."
        st.info(text, icon=":material/savings:")
    if (slow := slow_tables(config, vocab_size)) is not None:
        st.info(wording.plain(slow), icon=":material/hourglass_bottom:")


def breakdown(draft: Draft) -> None:
    """How parameters and FLOPs add up, module by module, and all other arithmetic."""
    config, steps = draft.config, draft.plan
    assert config is not None
    assert steps is not None
    assert draft.corpus is not None
    vocab_size = draft.corpus.tokenizer.vocab_size

    def row(module: str, n_params: int, cost: Cost) -> dict[str, str | int]:
        flops = {part.capitalize(): flops for part, flops in cost.to_dict().items()}
        return {"Module": module, "Parameters": n_params, **flops}

    costs = step_flops_by_module(
        config.model,
        vocab_size,
        batch_size=steps.shape[0],
        sequence_length=steps.shape[1],
        optimizer=config.training.optimizer,
        objective=config.training.objective,
    )
    rows = [
        row(each.name, each.n_params, costs[each.name])
        for each in modules(config.model, vocab_size)
    ]
    rows.append(row("One step", draft.n_params, steps.step))
    rows.append(row(f"All {steps.n_steps:,} steps", draft.n_params, steps.flops))
    frame = pd.DataFrame(rows)
    _table(
        frame if steps.step.optimizer else frame.drop(columns="Optimizer"),
        key="breakdown-table",
        alt="Parameters and FLOPs of every module, of one step and of the whole run",
    )
    st.caption(
        "One multiply-add is 2 FLOPs; looking up embeddings and tables of n-grams is none. "
        "A linear map costs 2 · d_in · d_out per token, attention "
        "4 · T · n_heads · d_head; backward costs twice the forward, since each product has two "
        "factors to be differentiated. The optimizer's matrix products are Muon's; AdamW and SGD "
        "have none."
    )
    _all_arithmetic(config, steps, vocab_size)


def _all_arithmetic(config: RunConfig, steps: Plan, vocab_size: int) -> None:
    """All operations and bytes of a run, and the share of each module."""
    scales = step_scale_by_module(config, vocab_size, *steps.shape)
    one = sum(scales.values(), NOTHING)
    every = scale_at(config, vocab_size, steps, steps.n_steps)
    update = one.operations.optimizer / one.operations.total
    st.markdown(
        f"**All arithmetic**: {flops_text(every.operations.total)} operations, "
        f"{every.operations.total / steps.flops.total:.2f} for each FLOP that is counted, "
        f"{100 * update:.0f} % of them by the optimizer; {flops_text(every.bytes.total)} bytes "
        "read and written."
    )
    frame = pd.DataFrame(
        [
            {
                "Module": name,  # of one step
                "Operations": scale.operations.total,
                "% of all": 100 * scale.operations.total / one.operations.total,
                "Bytes": scale.bytes.total,
                "% of bytes": 100 * scale.bytes.total / one.bytes.total,
            }
            for name, scale in scales.items()
        ]
    )
    _table(
        frame,
        key="arithmetic-table",
        alt="Operations and bytes of every module in one step, and their shares",
    )
    st.caption(
        "Operations are matrix products, elementwise work, norms, lookups, gradients and the "
        "optimizer's step: an addition or a multiplication is one, a division or a root four, an "
        "exponential eight. Bytes are what these operators read and write, one after another; "
        "an engine that fuses them moves less."
    )


def _table(frame: pd.DataFrame, *, key: str, alt: str) -> None:
    """A table whose columns are so wide that all of them can be seen."""
    first, *numbers = frame.columns
    columns: dict = {first: st.column_config.TextColumn(width=theme.column_width("medium"))}
    for name in numbers:
        columns[name] = st.column_config.NumberColumn(
            format="%.1f" if name.startswith("%") else "localized",
            width=theme.column_width("small") * 5 // 4,
        )
    st.dataframe(frame, hide_index=True, key=key, height="content", column_config=columns, alt=alt)
