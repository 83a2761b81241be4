"""An invented language whose entropy is known exactly.

Every sentence is drawn independently of the others, in three steps:

    fen ta rugo bo tir.       1. a topic, uniform over TOPICS: its opener begins the sentence;
    kai dum ka gi ban bru.    2. n words, n uniform over N_WORDS, each drawn independently from
    olu su mir lona ama.         the topic's own ranking of the lexicon by Zipf's law, p ~ 1/rank;
                              3. the topic's closer, a full stop and a newline.

A topic ranks its own words first and goes on through the lexicon in a circle, so every word can
follow every opener. Only the opener, up to 29 characters back, tells which words to expect and
which closer must come: more than pairs of characters or a short window can see, well within a
context of 64.

Spaces and full stops make sentences and draws one-to-one, so in nats, exactly,

    per sentence    H = ln |TOPICS| + ln |N_WORDS| + E[n] H(Zipf)         (the closer adds none)
    characters      C = E[len opener + len closer] + 3 + E[n] (E[len word] + 1)
    per character   H / C

H / C is the entropy rate: by the renewal theorem -ln p(text) / len(text) tends to it, and the
expected loss of no predictor is lower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from lm.datasets.spec import Dataset, Splits
from lm.datasets.textfile import sha256_of

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig


class KnownEntropy(Dataset):
    """As much of the invented language as is asked for, from a seed."""

    name = "known_entropy"
    title = "Known entropy"
    description = "An invented language of any length whose exact entropy is known."
    licence = "MIT, as this project"
    source = "generated from a seed"
    settings = frozenset({"n_chars", "seed"})
    varies = True

    def read(self, data: DataConfig) -> Splits:
        """Cut at sentence ends, so that the source's probability of each split is exact."""
        text = generate(data.n_chars, data.seed)
        first = text.rindex("\n", 0, len(text) * 8 // 10) + 1
        second = text.rindex("\n", 0, len(text) * 9 // 10) + 1
        return Splits(text[:first], text[first:second], text[second:], sha256_of(text))

    def source_nats(self, text: str) -> float:
        return source_nats(text)

    def entropy_per_char(self) -> float:
        return entropy_per_char()


@dataclass(frozen=True)
class Topic:
    """A way to begin, a way to end, and favourite words, dearest first."""

    opener: str
    closer: str
    words: tuple[str, ...]


TOPICS = (
    # the sea: wave, tide, fish, sail, salt, shell, boat, pearl
    Topic("olu", "ama", ("su", "lona", "mir", "veli", "ra", "nulo", "dapo", "ozi")),
    # the forest: leaf, root, moss, fern, bark, bird, bear, nut
    Topic("fen", "tir", ("ta", "rugo", "fel", "hiva", "bo", "sile", "moru", "nek")),
    # the hearth: flame, bread, smoke, ember, spark, table, kettle, song
    Topic("kai", "bru", ("ka", "pane", "dum", "zara", "gi", "tolo", "keru", "ban")),
    # the sky: wind, star, light, dusk, cloud, snow, sun, silence
    Topic("esi", "vao", ("wi", "nova", "lum", "sera", "ho", "tiva", "elio", "zen")),
)
N_WORDS = range(2, 6)
LEXICON = tuple(word for topic in TOPICS for word in topic.words)


def zipf() -> np.ndarray:
    """Probability of each rank of the lexicon, most frequent first."""
    weights = 1 / np.arange(1, len(LEXICON) + 1)
    return weights / weights.sum()


def ranking(topic: int) -> tuple[int, ...]:
    """The lexicon's word numbers in the topic's order: its own words first, then round."""
    start = sum(len(earlier.words) for earlier in TOPICS[:topic])
    return tuple((start + rank) % len(LEXICON) for rank in range(len(LEXICON)))


def entropy_per_char() -> float:
    """The entropy rate in nats per character, in closed form (derived above)."""
    probabilities, n_words = zipf(), np.mean(N_WORDS)
    word_lengths = np.array([len(word) for word in LEXICON])
    nats = (
        math.log(len(TOPICS))
        + math.log(len(N_WORDS))
        - n_words * (probabilities @ np.log(probabilities))
    )
    chars = np.mean(
        [
            len(f"{topic.opener} {topic.closer}.\n")
            + n_words * (probabilities @ word_lengths[list(ranking(k))] + 1)
            for k, topic in enumerate(TOPICS)
        ]
    )
    return float(nats / chars)


def generate(n_chars: int, seed: int) -> str:
    """As many whole sentences as `n_chars` characters hold; the seed determines every one.

    The text of a smaller `n_chars` is the beginning of the text of a larger one.
    """
    rng = np.random.default_rng(seed)
    blocks: list[str] = []
    missing = n_chars
    while missing >= 0:
        blocks.append(_sentences(rng))
        missing -= len(blocks[-1])
    text = "".join(blocks)
    return text[: text.rfind("\n", 0, n_chars) + 1]


def _sentences(rng: np.random.Generator, count: int = 4096) -> str:
    topics = (rng.random(count) * len(TOPICS)).astype(int)
    n_words = N_WORDS.start + (rng.random(count) * len(N_WORDS)).astype(int)
    draws = rng.random(int(n_words.sum()))
    ranks = np.searchsorted(np.cumsum(zipf())[:-1], draws, side="right")
    pieces = np.array(
        [word + " " for word in LEXICON]
        + [topic.opener + " " for topic in TOPICS]
        + [topic.closer + ".\n" for topic in TOPICS],
        dtype=object,
    )
    word_numbers = np.array([ranking(topic) for topic in range(len(TOPICS))])
    ends = np.cumsum(n_words + 2) - 1
    starts = ends - n_words - 1
    sequence = np.empty(ends[-1] + 1, dtype=int)
    inside = np.ones(len(sequence), dtype=bool)
    inside[starts] = inside[ends] = False
    sequence[starts] = len(LEXICON) + topics
    sequence[inside] = word_numbers[np.repeat(topics, n_words), ranks]
    sequence[ends] = len(LEXICON) + len(TOPICS) + topics
    return "".join(pieces[sequence])


@cache
def _costs() -> dict[str, tuple[str, dict[str, float]]]:
    """For each opener, the closer that must come and the nats of each word."""
    nats = -np.log(zipf())
    return {
        topic.opener: (
            topic.closer + ".",
            {LEXICON[word]: float(nats[rank]) for rank, word in enumerate(ranking(k))},
        )
        for k, topic in enumerate(TOPICS)
    }


def source_nats(text: str) -> float:
    """-ln of the probability of `text`, whole sentences, under the true source.

    No model knows more than the source, so this is the total loss of a perfect one. Raises
    `ValueError` for a text that the language cannot produce.
    """
    costs = _costs()
    *sentences, rest = text.split("\n")
    nats = len(sentences) * (math.log(len(TOPICS)) + math.log(len(N_WORDS)))
    for sentence in sentences:
        try:
            opener, *words, closer = sentence.split(" ")
            expected_closer, word_nats = costs[opener]
            if closer != expected_closer or len(words) not in N_WORDS:
                raise ValueError
            nats += sum([word_nats[word] for word in words])
        except (KeyError, ValueError):
            raise ValueError(f"Not a sentence of the invented language: {sentence!r}.") from None
    if rest:
        raise ValueError(f"Not a whole sentence of the invented language: {rest!r}.")
    return nats
