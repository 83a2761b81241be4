"""One run as it trains: its curve, its samples, its speed, and the buttons that steer it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from lm import charts
from lm.datasets import DatasetError
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run, RunError, forecast
from lm.runs.plan import Plan, plan
from pages.common import caches, corpora, forms, shell, tokens, words

SECONDS_BETWEEN_UPDATES = 0.7
RECENT_ROWS = 25  # over which speeds are averaged

BADGES = {
    "created": ("gray", "ready to start"),
    "waiting": ("gray", "waiting for a free core"),
    "starting": ("gray", "starting"),
    "running": ("blue", "training"),
    "evaluating": ("blue", "scoring validation and test"),
    "paused": ("orange", "paused"),
    "stopped": ("orange", "stopped"),
    "complete": ("green", "complete"),
    "failed": ("red", "failed"),
    "interrupted": ("red", "interrupted"),
}
AXES = {"step": "steps", "flops": "FLOPs"}
BUSY = ("waiting", "starting", "running", "evaluating")


def phase(run: Run) -> str:
    """Where a run is, in a word of `BADGES`."""
    queue = caches.jobs()
    if run.run_id in queue.waiting():
        return "waiting"
    if run.state == "running":
        return "evaluating" if run.status.step >= run.n_steps else "running"
    return "starting" if run.run_id in queue.active() else run.state


def busy(run: Run) -> bool:
    """Whether the run is moving, or about to."""
    return phase(run) in BUSY


def show(run: Run, names: Mapping[str, str], choose: Callable[[str], None]) -> None:
    """The panel. It renews itself while the run moves, and reruns the page when that ends.

    `names` are the runs to choose from, id -> name; `choose` is told of another choice.
    """
    every = SECONDS_BETWEEN_UPDATES if busy(run) else None
    st.fragment(_panel, run_every=every, key="panel")(run.run_id, every is not None, names, choose)


def _panel(
    run_id: str, was_busy: bool, names: Mapping[str, str], choose: Callable[[str], None]
) -> None:
    if st.session_state.pop("run_chosen", run_id) != run_id:
        st.rerun()  # the page knows the new one
    try:
        run = caches.store().get(run_id)
    except RunError as error:
        st.error(words.plain(str(error)))
        return
    now = phase(run)
    if was_busy != (now in BUSY):
        st.rerun()  # the timer is the page's to start and to end
    metrics = run.metrics()
    _heading(run, now, names, choose)
    _chart(run, metrics, now)
    _figures(run, metrics, now)
    _onward(run, now)
    _samples(run)


def _heading(run: Run, now: str, names: Mapping[str, str], choose: Callable[[str], None]) -> None:
    color, text = BADGES[now]
    forms.put("show_run", run.run_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="run-heading"):
        st.selectbox(
            "Run",
            list(names),
            key="show_run",
            format_func=lambda run_id: names[run_id],
            on_change=_choose_another,
            args=(choose,),
            label_visibility="collapsed",
        )
        st.badge(text, color=color)
        _buttons(run, now)
    if (message := st.session_state.pop("panel_problem", None)) is not None:
        st.error(words.plain(message))
    _others(run, names, choose)
    problem = run.reason or caches.jobs().error(run)
    if problem and now not in BUSY and now != "complete":
        st.warning(words.plain(problem))


def _choose_another(choose: Callable[[str], None]) -> None:
    st.session_state["run_chosen"] = st.session_state["show_run"]
    choose(st.session_state["show_run"])


def _others(run: Run, names: Mapping[str, str], choose: Callable[[str], None]) -> None:
    """What else trains or waits, a click away."""
    queue = caches.jobs()
    others = [(other, "training") for other in queue.active() if other != run.run_id]
    others += [(other, "waiting") for other in queue.waiting() if other != run.run_id]
    if not others:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="queue"):
        st.caption("Also in the queue:", width="content")
        for run_id, state in others:
            label = f"{words.plain(names.get(run_id, run_id))} · {state}"
            if st.button(label, key=f"queue-{run_id}", type="tertiary"):
                choose(run_id)
                st.rerun()


def _buttons(run: Run, now: str) -> None:
    """Only what can be done now: no button is there that does nothing."""
    queue = caches.jobs()
    if now in ("running", "evaluating", "starting", "waiting"):
        _button("Pause", "pause", queue.pause, run, ":material/pause:")
        _button("Stop", "stop", queue.stop, run, ":material/stop:")
    if run.resumable and now not in BUSY:
        start = "Start" if run.state == "created" else "Resume"
        _button(start, "resume", queue.resume, run, ":material/play_arrow:", primary=True)
        if run.status.step < run.n_steps:
            _button("Step", "step", queue.step, run, ":material/skip_next:")


def _onward(run: Run, now: str) -> None:
    """What one may do with a run that has weights."""
    if now in BUSY or not run.weights_path.exists():
        return
    with st.container(horizontal=True, gap="small", key="onward"):
        if st.button("Write with it", key="to-generate", icon=":material/edit:"):
            shell.go("generate", runs=run.run_id)
        if st.button("Compare with others", key="to-compare", icon=":material/table_chart:"):
            shell.go("compare", checked=run.run_id)


def _button(
    label: str, key: str, act: Callable[[Run], None], run: Run, icon: str, primary: bool = False
) -> None:
    st.button(
        label,
        key=key,
        icon=icon,
        type="primary" if primary else "secondary",
        on_click=_attempt,
        args=(act, run),
    )


def _attempt(act: Callable[[Run], None], run: Run) -> None:
    try:
        act(run)
    except (RunError, DatasetError, OSError) as error:
        st.session_state["panel_problem"] = str(error)


@dataclass(frozen=True)
class _Speed:
    tokens: float
    flops: float


def _speed(metrics: pd.DataFrame) -> _Speed | None:
    recent = metrics.tail(RECENT_ROWS)
    if len(recent) < 2:
        return None
    span = recent.iloc[-1] - recent.iloc[0]
    if span.seconds <= 0:
        return None
    return _Speed(span.tokens / span.seconds, span.flops / span.seconds)


def _figures(run: Run, metrics: pd.DataFrame, now: str) -> None:
    status, speed = run.status, _speed(metrics[["tokens", "flops", "seconds"]])
    valid = metrics["sampled_val_loss"].dropna()
    figures: list[tuple[str, str, str]] = []
    if status.valid is not None:
        figures.append(("Validation", f"{status.valid.loss:.3f}", _scores(status.valid)))
    else:
        shown = f"{valid.iloc[-1]:.3f}" if len(valid) else "–"
        figures.append(
            ("Validation", shown, "Loss on a fixed sample of the validation split, nats per token.")
        )
    if status.test is not None:
        figures.append(("Test", f"{status.test.loss:.3f}", _scores(status.test)))
    else:
        shown = f"{metrics['train_loss'].iloc[-1]:.3f}" if len(metrics) else "–"
        figures.append(
            ("Training", shown, "Training loss, mean since the row before, nats per token.")
        )
    done, planned = status.flops.total, run.facts["flops"]["total"]
    figures.append(
        (
            "FLOPs",
            words.flops(done) if done else "0",
            f"Training FLOPs: forward + backward + optimizer, of {words.flops(planned)} planned. "
            f"{NOT_COUNTED}",
        )
    )
    if speed:
        figures.append(("Tokens/s", words.short(speed.tokens), "Training tokens per second."))
        figures.append(("FLOP/s", words.short(speed.flops), "Training FLOPs per second."))
    if now in BUSY and speed:
        figures.append(
            ("Left", forecast.in_words((planned - done) / speed.flops), "At this speed.")
        )
    else:
        figures.append(("Time", f"{status.seconds:.1f} s", "Training alone, without scoring."))
    with st.container(horizontal=True, gap="small", key="figures"):
        for label, value, help_text in figures:
            st.metric(label, value, help=help_text, width="content")
    threads = run.facts["threads"]
    st.caption(
        f"{words.architecture(run)} of {words.count(run.n_params)} parameters · "
        f"{words.plain(corpora.title(run.config.data))} · seed {run.config.training.seed} · "
        f"{threads} thread{'s'[: threads > 1]} · {words.plain(run.run_id)}"
    )


NOT_COUNTED = (
    "Not counted: embedding lookups, softmax, norms, elementwise work, evaluation, and the search "
    "for settings."
)


def _scores(result) -> str:
    return (
        f"Whole split, {result.n_tokens:,} tokens: {result.loss:.4f} nats per token, perplexity "
        f"{result.perplexity:.2f}, {result.bits_per_char:.3f} bits per character."
    )


def axis_controls() -> tuple[str, bool]:
    """What the x-axis of a loss curve shows, and whether it is logarithmic."""
    with st.container(horizontal=True, vertical_alignment="center", key="axis"):
        x = st.segmented_control(
            "Loss against",
            list(charts.X_TITLES),
            default="step",
            required=True,
            format_func=lambda name: AXES.get(name, name),
            key="x_axis",
            label_visibility="collapsed",
            persist_state="session",
        )
        log_x = st.toggle("Log x", key="log_x", persist_state="session")
    return x or "step", log_x


def _chart(run: Run, metrics: pd.DataFrame, now: str) -> None:
    done = run.status.step / run.n_steps
    text = f"Step {run.status.step:,} of {run.n_steps:,}"
    if now == "evaluating":
        text += " · scoring every token of validation and test"
    st.progress(min(1.0, done), text=text)
    x, log_x = axis_controls()
    references = _references(run)
    steps = plan(run.config, run.vocab_size, run.facts["n_train_tokens"])
    lowest = metrics[["train_loss", "sampled_val_loss"]].min().min()
    loss_chart(
        metrics,
        x=x,
        log_x=log_x,
        steps=steps,
        seconds=_seconds_axis(run, metrics, steps),
        references=references,
        architecture=run.config.model.architecture,
        lowest=None if math.isnan(lowest) else float(lowest),
    )


def loss_chart(
    metrics: pd.DataFrame,
    *,
    x: str,
    log_x: bool,
    steps: Plan,
    seconds: float,
    references: dict[str, float],
    architecture: str,
    lowest: float | None = None,
) -> None:
    """Place a loss curve whose axes are known before the first point."""
    ends = {
        "step": steps.n_steps,
        "tokens": steps.tokens,
        "flops": steps.flops.total,
        "seconds": seconds,
    }
    chart = charts.loss_chart(
        metrics,
        x=x,
        x_end=float(ends[x]),
        y_domain=charts.loss_axis(references, lowest),
        references=references,
        color=charts.COLORS[architecture],
        log_x=log_x,
    )
    with st.container(key="loss-chart", gap="xxsmall"):
        st.altair_chart(chart, key="loss", alt=charts.describe_loss(metrics, references))
        st.caption(
            "Faint: training loss. Bold: loss on a fixed sample of the validation split. Dashed: "
            "what guessing costs"
            + (", and the least possible." if "entropy" in references else ".")
        )


def _seconds_axis(run: Run, metrics: pd.DataFrame, steps: Plan) -> float:
    """Where the time axis ends: the prediction, doubled while the run outlasts it."""
    if run.state == "complete" and len(metrics):
        return float(metrics["seconds"].iloc[-1])
    key = f"seconds-{run.run_id}"
    if key not in st.session_state:
        others = [other for other in caches.store().list() if other.run_id != run.run_id]
        st.session_state[key] = forecast.seconds(run.config, steps, others)
    while st.session_state[key] < run.status.seconds:
        st.session_state[key] *= 2
    return st.session_state[key]


def _references(run: Run) -> dict[str, float]:
    """What guessing costs on this corpus, or at least ln V where its text is gone."""
    try:
        return corpora.references(run.config.data)
    except (DatasetError, ValueError):
        return {"uniform": math.log(run.vocab_size)}


def _spaced(run: Run, prompt: str, text: str, drawn: Sequence[str]) -> list[str]:
    """The tokens with the white space that lies between them in their text."""
    pieces, at = [], 0
    for token in drawn:
        found = text.find(token, at)
        piece = text[at : found + len(token)]
        if found < 0 or piece.removesuffix(token).strip():  # shown otherwise than written: bytes
            pieces.append(token)
            continue
        pieces.append(piece)
        at = found + len(token)
    separator = TOKENIZERS[run.config.data.tokenizer].separator
    if separator and not prompt.endswith((separator, "\n")):
        pieces[0] = separator + pieces[0]
    return pieces


def _scrub(run_id: str, key: str, newest: int) -> None:
    """Stay at the sample that was asked for; at the newest, follow what comes."""
    step = st.session_state[key]
    st.session_state["sample_at"] = {run_id: None if step == newest else step}


def _samples(run: Run) -> None:
    samples = run.samples()
    if samples.empty:
        return
    steps = [int(step) for step in samples["step"]]
    st.markdown("##### What it writes")
    wanted = st.session_state.get("sample_at", {}).get(run.run_id)
    at = wanted if wanted in steps else steps[-1]
    if len(steps) > 1:
        key = f"sample-step-{run.run_id}-{len(steps)}"
        with st.container(key="sample-step"):
            st.select_slider(
                "After step",
                steps,
                at,
                key=key,
                format_func=lambda step: f"{step:,}",
                on_change=_scrub,
                args=(run.run_id, key, steps[-1]),
            )
    row = samples[samples["step"] == at].iloc[-1]
    st.caption(f"Temperature {row.temperature:g}, seed {int(row.seed)}, after step {at:,}.")
    pieces = _spaced(run, row.prompt, row.text, row.tokens) if row.tokens else [row.text]
    probabilities = list(row.probabilities) if row.tokens else [1.0]
    tokens.text_view(
        f"Sample of {run.name} after step {at}",
        pieces,
        probabilities,
        prompt=row.prompt,
        height=300,
        key="run-sample",
    )
