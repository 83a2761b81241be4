"""What a run would cost, before it runs."""

import pandas as pd
import streamlit as st

from lm.architectures import modules
from lm.base.flops import Cost, flops_text
from lm.runs import Run, forecast
from lm.runs.flops import step_flops_by_module
from lm.runs.remarks import slow_tables
from lm.runs.scale import NOTHING, scale_at, step_scale_by_module
from pages.common import theme, wording
from pages.common.drafts import Draft
from pages.common.train.form import CHOICES


def show(draft: Draft, runs: list[Run]) -> None:
    """The parameters, steps, FLOPs and time of a run that has not started."""
    if draft.plan is None or draft.config is None:
        return
    assert draft.corpus is not None
    steps, vocab_size = draft.plan, draft.corpus.tokenizer.vocab_size
    seconds = forecast.seconds(draft.config, steps, vocab_size, runs)
    with st.container(horizontal=True, gap="medium", key="bill"):
        st.metric(
            "Parameters", wording.count(draft.n_params), width="content", help=_parameters(draft)
        )
        st.metric("Steps", wording.count(steps.n_steps), width="content")
        st.metric("FLOPs per step", flops_text(steps.step.total), width="content")
        st.metric(
            "Training FLOPs",
            flops_text(steps.flops.total),
            width="content",
            help=wording.NOT_COUNTED,
        )
        st.metric(
            "Time here, about",
            forecast.in_words(seconds),
            width="content",
            help="Predicted from the runs that were trained on this machine."
            if forecast.measured(runs)
            else "A rough guess: nothing has been trained on this machine yet.",
        )
    rows, length = steps.shape
    n_train_tokens = draft.corpus.train.n_tokens
    epochs = steps.tokens / n_train_tokens
    times = f"{epochs:.2g}" if epochs < 100 else f"{epochs:,.0f}"
    tables = wording.parameters(draft.n_params, draft.n_table_params) + ". "
    st.caption(
        (tables if draft.n_table_params else "")
        + f"{rows:,} × {length:,} predictions a step, {wording.short(steps.tokens)} in all: "
        f"{times} times through the {wording.short(n_train_tokens)} tokens of the "
        f"train split. {_side_by_side(draft)}{wording.NOT_COUNTED}"
    )
    if draft.config.training.unspent:
        st.info(_capped(draft), icon=":material/savings:")
    if (slow := slow_tables(draft.config, vocab_size)) is not None:
        st.info(wording.plain(slow), icon=":material/hourglass_bottom:")


def _capped(draft: Draft) -> str:
    """That the run will spend less than the budget, and why, in a few sentences."""
    assert draft.config is not None
    training = draft.config.training
    cap, unspent = flops_text(training.most_flops or 0), flops_text(training.unspent)
    if "budget_cap" in CHOICES.values:
        return f"The run keeps to the budget cap of {cap} FLOPs and leaves {unspent} unspent."
    return (
        f"**{wording.architecture(draft.architecture)} has learnt what this text can teach it "
        f"after about {cap} FLOPs.** More will not help: the run keeps to that and leaves "
        f"{unspent} unspent. A higher *budget cap* under More settings spends them all the same."
    )


def _side_by_side(draft: Draft) -> str:
    """That the model is several, in a sentence; nothing if it is one."""
    assert draft.config is not None
    members = draft.config.model.members
    if members == 1:
        return ""
    return (
        f"{members} models learn side by side, and the mean of their probabilities predicts: "
        "seen so often, a text has less to teach one alone. "
    )


def _parameters(draft: Draft) -> str:
    """What the count of parameters holds, in a sentence or two."""
    if not draft.n_table_params:
        return "Trainable numbers, shared ones counted once."
    rest = draft.n_params - draft.n_table_params
    return (
        f"Trainable numbers. {wording.count(draft.n_table_params)} of them lie in tables of "
        "n-grams, from which each prediction looks up a few: no FLOPs, and much of what the "
        f"model knows. Everything else has {wording.count(rest)}."
    )


def breakdown(draft: Draft) -> None:
    """How parameters and FLOPs add up, module by module."""
    assert draft.config is not None
    assert draft.plan is not None
    assert draft.corpus is not None
    config, steps = draft.config, draft.plan
    vocab_size = draft.corpus.tokenizer.vocab_size
    counts = step_flops_by_module(
        config.model,
        vocab_size,
        batch_size=steps.shape[0],
        sequence_length=steps.shape[1],
        optimizer=config.training.optimizer,
        objective=config.training.objective,
    )
    rows = [
        {
            "Module": module.name,
            "Parameters": module.n_params,
            **_parts(counts[module.name]),
        }
        for module in modules(config.model, vocab_size)
    ]
    one = {"Module": "One step", "Parameters": draft.n_params, **_parts(steps.step)}
    every = {"Module": f"All {steps.n_steps:,} steps", "Parameters": draft.n_params}
    every |= _parts(steps.flops)
    frame = pd.DataFrame([*rows, one, every])
    if not steps.step.optimizer:
        frame = frame.drop(columns="Optimizer")
    _table(
        frame,
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
    _all_arithmetic(draft)


def _all_arithmetic(draft: Draft) -> None:
    """What else there is to compute, to read and to write, and which part has which share."""
    assert draft.config is not None
    assert draft.plan is not None
    assert draft.corpus is not None
    config, steps = draft.config, draft.plan
    vocab_size = draft.corpus.tokenizer.vocab_size
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
    narrow, wide = theme.column_width("small"), theme.column_width("medium")
    columns: dict = {first: st.column_config.TextColumn(width=wide)}
    for name in numbers:
        number = "%.1f" if name.startswith("%") else "localized"
        columns[name] = st.column_config.NumberColumn(format=number, width=narrow + narrow // 4)
    st.dataframe(frame, hide_index=True, key=key, height="content", column_config=columns, alt=alt)


def _parts(count: Cost) -> dict[str, int]:
    return {part.capitalize(): flops for part, flops in count.to_dict().items()}
