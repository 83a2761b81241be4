"""What to know of a text before its losses are read: sentences about its held-out parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lm.base.records import about_unknown_words
from lm.base.wording import listed, percent
from lm.datasets.tokenizers import Tokenizer

if TYPE_CHECKING:
    from lm.datasets.config import DataConfig
    from lm.datasets.corpus import Split

UNSEEN = 0.001  # of the tokens of a part, to be said
UNCERTAIN = 0.1  # nats of a mean loss, to be said: twice its standard error
NAMED = 3  # of the tokens that training never sees
NEWLINE, RETURN = "\n", "↵"


def remarks(
    data: DataConfig, tokenizer: Tokenizer, train: Split, held_out: Mapping[str, Split]
) -> Iterator[str]:
    """Sentences about a corpus, most of them about its `held_out` parts; none if all is well."""
    if tokenizer.sized and tokenizer.vocab_size < data.bpe_vocab_size:
        yield (
            f"The vocabulary has {tokenizer.vocab_size:,} tokens and not the "
            f"{data.bpe_vocab_size:,} that were asked for: the train part has no more pairs that "
            "occur twice."
        )
    unknown = about_unknown_words({name: part.unknown_share for name, part in held_out.items()})
    if unknown:
        yield unknown
    counts = np.bincount(train.token_ids, minlength=tokenizer.vocab_size)
    if train.n_words is None:  # of words, those that training never sees are unknown
        yield from _unseen(tokenizer, counts, held_out)
    yield from _uncertain(counts, held_out)


def _unseen(
    tokenizer: Tokenizer, counts: np.ndarray, held_out: Mapping[str, Split]
) -> Iterator[str]:
    """Which tokens of the held-out parts do not occur in the train part."""
    for name, part in held_out.items():
        unseen = part.token_ids[counts[part.token_ids] == 0]
        if len(unseen) < UNSEEN * part.n_tokens:
            continue
        ids, times = np.unique(unseen, return_counts=True)
        commonest = ids[np.argsort(-times, kind="stable")]
        texts = [tokenizer.token_text(int(token_id)) for token_id in commonest]
        quoted = [f"“{text.replace(NEWLINE, RETURN)}”" for text in texts]
        yield (
            f"{percent(len(unseen) / part.n_tokens)} of the {name} part's {tokenizer.title} do not "
            f"occur in the train part, so no model can learn them: "
            f"{listed(quoted, most=NAMED)}."
        )


def _uncertain(counts: np.ndarray, held_out: Mapping[str, Split]) -> Iterator[str]:
    """How far the mean of so few tokens may be off.

    Under the n-grams of six texts a token's nats have a standard deviation of about half the mean
    under a unigram: 1.5 for 3.3 (characters of Tiny Shakespeare) to 3.4 for 6.5 (words of PTB).
    """
    nats = -np.log((counts + 1) / (counts + 1).sum())
    errors = {
        name: float(nats[part.token_ids].mean()) / math.sqrt(part.n_tokens)
        for name, part in held_out.items()
    }
    if max(errors.values()) >= UNCERTAIN:
        sizes = [f"the {name} part has {part.n_tokens:,}" for name, part in held_out.items()]
        yield (
            f"Its losses are uncertain by about ±{max(errors.values()):.1g} nats, being means over "
            f"few tokens: {listed(sizes)}."
        )
