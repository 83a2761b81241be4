"""What of a written text stands in the train text, looked up beside the page.

To index a large corpus takes seconds. So one thread of the server does it, once for each corpus,
and pages look whether it has finished.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise

import streamlit as st

from lm import datasets
from lm.datasets import DATASETS, DatasetError
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import TOKENIZERS
from lm.runs import Run
from lm.writing.copied import MIN_CHARS, MOST_CHARS, Copies, Span, SuffixArray, find_copies
from pages.common import corpora
from pages.common.components.text_view import Copied

CONTEXT = 60  # characters of the train text shown before and after a run
LOOKING = Copied("Looking for it in the train text …")
_THREAD = ThreadPoolExecutor(1, "train-text")


@dataclass(frozen=True)
class TrainText:
    """The train text of a corpus, as it can be searched."""

    title: str
    sha256: str  # of the whole corpus
    n_chars: int  # of which the first MOST_CHARS are looked at
    index: SuffixArray


def look_up(run: Run, texts: Sequence[str]) -> Future[Copied]:
    """What of the tokens' `texts` stands in the run's train text, once it has been looked up."""
    return _THREAD.submit(_look_up, train_text(run.config.data), run.facts.sha256, texts)


def _look_up(future: Future[TrainText], sha256: str, texts: Sequence[str]) -> Copied:
    unknown = "What stands in the train text cannot be told"
    try:
        train = future.result()  # finished: the one thread has come past it
    except ValueError as error:
        return Copied(f"{unknown}. {error} The other colours need no corpus.")
    if train.sha256 != sha256:
        here = f"{train.title} on this machine"
        return Copied(f"{unknown}: {here} is not the text that the model learnt from.")
    return describe(find_copies(train.index, "".join(texts)), texts, train)


def describe(copies: Copies, texts: Sequence[str], train: TrainText) -> Copied:
    """The findings in words, and token by token."""
    spans, longest = copies.copied_spans, copies.longest
    share = f"{100 * copies.share_new:.1f}".removesuffix(".0")
    note = (
        f"{share} % of the characters are new: in no run of {MIN_CHARS} or "
        f"more that stands in the train text of {train.title}. The longest run that stands there "
        f"has {longest.length if longest else 0:,}."
    )
    if train.n_chars > MOST_CHARS:
        note += (
            f" Only the first {MOST_CHARS:,} of the {train.n_chars:,} characters of that text are "
            "looked at."
        )
    ends = list(accumulate(map(len, texts), initial=0))
    return Copied(
        note=note,
        spans=[(span.length, span.place, span.count) for span in spans],
        span_of=[_span_of(start, end, spans) for start, end in pairwise(ends)],
        longest=longest and (bisect_right(ends, longest.start) - 1, bisect_left(ends, longest.end)),
        quote=longest and _quote(longest, train.index.text),
    )


def _quote(span: Span, text: str) -> tuple[str, str, str, str]:
    first = "first " if span.count > 1 else ""
    times = f" It stands there {span.count:,} times." if span.count > 1 else ""
    end = span.place + span.length
    return (
        f"The longest run that stands in the train text, {first}at character {span.place:,}."
        + times,
        text[max(span.place - CONTEXT, 0) : span.place],
        text[span.place : end],
        text[end : end + CONTEXT],
    )


def _span_of(start: int, end: int, spans: Sequence[Span]) -> int:
    """The longest span that holds the whole of a token, -1 where none does."""
    inside = [i for i, span in enumerate(spans) if span.start <= start and end <= span.end]
    return max(inside, key=lambda i: spans[i].length, default=-1)


@st.cache_resource(max_entries=3, show_spinner=False, hash_funcs=corpora.BY_KEY)
def train_text(data: DataConfig) -> Future[TrainText]:
    """The train text of a corpus, once it has been indexed."""
    return _THREAD.submit(read, data, corpora.title(data))


def read(data: DataConfig, title: str) -> TrainText:
    """The train text as a model writes it, indexed.

    Raises `DatasetError` if the corpus is not here, and other ValueErrors.
    """
    if not DATASETS[data.dataset].available:
        raise DatasetError(f"{title} is not here: the page Data says where it comes from.")
    if TOKENIZERS[data.tokenizer].separator:  # words are written as they are read back
        corpus = datasets.load(data)
        text, sha256 = corpus.tokenizer.decode(corpus.train.token_ids), corpus.sha256
    else:
        splits = datasets.load_text(data)
        text, sha256 = splits.train, splits.sha256
    if not text:
        raise DatasetError(f"The train text of {title} is empty.")
    return TrainText(title, sha256, len(text), SuffixArray(text[:MOST_CHARS]))
