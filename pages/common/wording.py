"""How pages write numbers and runs, the same on each."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from lm.architectures import ARCHITECTURES, n_table_params
from lm.base.flops import flops_text
from lm.base.records import Evaluation
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run
from pages.common import corpora

NOT_COUNTED = (
    "Not counted: embedding lookups, softmax, norms, elementwise work, evaluation, and the search "
    "for settings."
)

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!$~|<>:&])")


def plain(text: str) -> str:
    """`text` escaped so that Markdown shows it as it is: for names, paths and error messages."""
    return _MARKDOWN.sub(r"\\\1", text)


def several(sentences: Sequence[str]) -> str:
    """Sentences as Markdown shows them: each on a line of its own."""
    return "  \n".join(map(plain, sentences))


def count(number: int) -> str:
    """A whole number to the digit: 12,345."""
    return f"{number:,}"


def short(number: float) -> str:
    """About three digits with k, M, G or T: 61.4 k."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= size:
            return f"{number / size:.3g} {prefix}"
    return f"{number:.3g}"


def architecture(name: str) -> str:
    """An architecture's title; made from its name where its code is not registered any more."""
    return ARCHITECTURES[name].title if name in ARCHITECTURES else name.capitalize()


def model(run: Run) -> str:
    """What a run trains, in a name: its architecture, and whether it has tables of n-grams."""
    return with_tables(architecture(run.config.model.architecture), in_tables(run))


def with_tables(title: str, n_in_tables: int) -> str:
    """An architecture's title in a name, where some of the parameters may lie in tables."""
    return f"{title} + n-grams" if n_in_tables else title


def in_tables(run: Run) -> int:
    """How many of a run's parameters lie in tables of n-grams."""
    return n_table_params(run.config.model, run.vocab_size)


def parameters(n_params: int, n_in_tables: int) -> str:
    """How many parameters, and how many of them in tables: "1,200 parameters, 800 of them …"."""
    text = f"{count(n_params)} parameters"
    return f"{text}, {count(n_in_tables)} of them in tables of n-grams" if n_in_tables else text


def axis(name: str) -> str:
    """The label of a button that chooses the x-axis of a training curve."""
    return {"step": "steps", "flops": "FLOPs"}.get(name, name)


def metrics(*figures: tuple[str, str, str], key: str = "cost", gap: Any = "medium") -> None:
    """Numbers in a row. Each is a label, its value and what it means, or "" in its place."""
    with st.container(horizontal=True, gap=gap, key=key):
        for label, value, meaning in figures:
            st.metric(label, value, width="content", help=meaning or None)


def best_of_counting(references: Mapping[str, float]) -> tuple[str, float] | None:
    """Of `corpora.references` the lowest loss that was counted, after what was: "6-grams"."""
    counted = [(loss, name) for name, loss in references.items() if name != "entropy"]
    if not counted:
        return None
    loss, name = min(counted)
    return f"{name}s" if name.endswith("gram") else name, loss


def names(runs: Iterable[Run]) -> dict[str, str]:
    """Run id -> its name in a list to choose from; where names are equal, the id is added."""
    runs = list(runs)
    count = Counter(run.name for run in runs)
    return {
        run.run_id: run.name if count[run.name] == 1 else f"{run.name} ({run.run_id})"
        for run in runs
    }


def untold(run: Run, result: Evaluation) -> str:
    """What its bits per character hold for what tokens do not tell: " (0.632 to spell …)"."""
    parts: list[str] = []
    if spelled := result.spelling_bits_per_char:
        by = "" if result.spelling == "characters" else f" by {result.spelling}"
        parts.append(f"{spelled:.3f} of them to spell unknown words{by}")
    spaces = result.spacing_bits_per_char
    if spaces is None and TOKENIZERS[run.config.data.tokenizer].separator:
        parts.append("none for white space, as in all older runs")
    elif spaces and f"{spaces:.3f}" != "0.000":
        parts.append(f"{spaces:.3f} of them to tell white space")
    return f" ({', '.join(parts)})" if parts else ""


def learns(run: Run) -> list[str]:
    """A run's model, its text and its tokens, each as a phrase of Markdown."""
    data, tokenizer = run.config.data, TOKENIZERS[run.config.data.tokenizer]
    tokens = f"a vocabulary of {count(run.vocab_size)} {tokenizer.title}"
    if tokenizer.sized and run.vocab_size < data.bpe_vocab_size:
        tokens += f" (of {count(data.bpe_vocab_size)} asked for: the text has no more)"
    title = architecture(run.config.model.architecture)
    model = f"{title} of {parameters(run.n_params, in_tables(run))}"
    return [model, plain(corpora.title(data)), tokens]


def run_facts(run: Run) -> str:
    """What a run is, in one line of Markdown."""
    facts = [*learns(run), f"{flops_text(run.status.flops.total)} training FLOPs"]
    if run.status.test:
        facts.append(f"test loss {run.status.test.loss:.3f}")
    return " · ".join(facts)
