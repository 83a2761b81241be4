"""Start: see what a small model writes, train a first one, and how the architectures compare."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from pages.common import shell

shell.page(
    "What will a little compute buy?",
    "Train small language models on your own machine, in seconds, and see what each "
    "floating-point operation bought: which architecture, how large, for how long.",
)  # what follows takes a quarter of a second to import

from lm.base.flops import flops_text
from lm.datasets import DatasetError
from lm.runs import Run
from lm.writing.sampling import Sampling
from pages.common import caches, corpora, first_run, links, wording, writing
from pages.common.components.text_view import text_view

PROMPT = "ROMEO:"
N_TOKENS = 300
SECONDS = 10  # to write for, at most: on a slow machine the text ends early


def load() -> tuple[list[Run], list[Run], Run | None]:
    """All runs; those with weights; of these, one that has finished the prompt: shipped first."""
    trained = caches.trained_runs()
    writers = [run for run in trained if caches.last_sample(run, PROMPT)]
    writer = min(writers, key=lambda run: not run.shipped, default=None)
    return caches.store().list(), trained, writer


def act(every: list[Run]) -> None:
    """The button that trains a first model. `every`: all runs, which tell how long it takes."""
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button(first_run.label(every), type="primary", key="first")
        st.caption(first_run.describe())
    if pressed:
        try:
            with st.spinner("Reading the corpus …"):
                run = first_run.start()
        except DatasetError as error:
            st.error(wording.plain(str(error)))
        else:
            links.to_train(run).follow()


@st.fragment
def show_sample(run: Run) -> None:
    """The text that the model wrote when its training ended and, on request, another."""
    st.header(f"{wording.count(run.n_params)} parameters finish “{PROMPT}”", anchor=False)
    st.caption(wording.run_facts(run))
    seed = st.session_state.get("start_seed", 0)
    texts, probabilities = write(run, seed) if seed else caches.last_sample(run, PROMPT) or ([], [])
    text_view(f"Text by {run.name}", texts, probabilities, prompt=PROMPT, height=420, key="sample")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Another text"):
            st.session_state["start_seed"] = seed + 1
            st.rerun(scope="fragment")
        links.to_generate().show("Write with your own prompt →")


def write(run: Run, seed: int) -> tuple[list[str], list[float]]:
    """A new text: its tokens and their probabilities."""
    with st.spinner("Writing …"):
        (lane,) = writing.begin([run], PROMPT, N_TOKENS, Sampling(temperature=0.8, seed=seed))
        writing.advance([lane], SECONDS)
    if lane.problem:
        st.error(wording.plain(lane.problem))
    return lane.texts, lane.probabilities


def show_answer(every: list[Run]) -> Callable[[], None]:
    """The models that 10 seconds, a minute and ten minutes buy on this machine, from all its runs.

    Returns a function that draws the picture beside them. It comes last: it loads Altair.
    """
    from pages.common import first_answer  # imported late: the heading appears first

    ladder = first_answer.offers(every)
    answers = first_answer.bought(ladder)
    if not answers:
        return lambda: None
    text = corpora.title(next(iter(answers.values())).run.config.data)
    st.header(f"What your time buys, on {wording.plain(text)}", anchor=False)
    left, right = st.columns([3, 2], gap="medium", vertical_alignment="center")
    with right:
        first_answer.show(answers)
    place = left.container(height=first_answer.HEIGHT, border=False, key="time-picture")
    return partial(first_answer.picture, place, ladder, answers)


def show_ladder(runs: list[Run]) -> None:
    """The architectures, each trained with the same compute."""
    from pages.common.components import ladder  # imported late: the page above appears first

    rungs = ladder.rungs(runs)
    if not rungs or (budget := rungs[0].config.training.budget) is None:
        return
    st.header(f"One budget, {len(rungs)} architectures", anchor=False)
    st.markdown(
        f"Each was trained with at most {flops_text(budget)} floating-point "
        f"operations on {wording.plain(corpora.title(rungs[0].config.data))}, by the preset "
        f"{rungs[0].config.preset}. The loss is the mean surprise per token of the test split, in "
        "nats."
    )
    ladder.show(rungs)
    links.to_compare().show("Compare all runs →")


caches.jobs()  # ready by the time the button is pressed
every, trained, writer = load()
draw_picture = show_answer(every)
act(every)
if writer:
    show_sample(writer)
show_ladder(trained)
draw_picture()
first_run.make_ready()
