"""The tokenizers there are. A new one is a file beside this and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lm.base.registry import Registry, must_be_one_of
from lm.datasets.tokenizers.bpe import BPETokenizer
from lm.datasets.tokenizers.byte import ByteTokenizer
from lm.datasets.tokenizers.char import CharTokenizer
from lm.datasets.tokenizers.spec import Tokenizer
from lm.datasets.tokenizers.word import WordTokenizer

TOKENIZERS: Registry[type[Tokenizer]] = Registry(
    "tokenizer",
    (
        CharTokenizer,
        WordTokenizer,
        ByteTokenizer,
        BPETokenizer,
    ),
)
WORD_VOCAB_SIZE = 2_000  # from here on tokens are words, and not characters or short byte pairs


def train_tokenizer(
    name: str, train_text: str, held_out: Sequence[str] = (), bpe_vocab_size: int = 512
) -> Tokenizer:
    """Make a tokenizer from a corpus: see `Tokenizer.train`. Raises ValueError for its name."""
    if name not in TOKENIZERS:
        raise ValueError(must_be_one_of("tokenizer", name, TOKENIZERS))
    return TOKENIZERS[name].train(train_text, held_out, bpe_vocab_size)


def tokenizer_from_dict(values: Mapping[str, Any]) -> Tokenizer:
    """Invert `Tokenizer.to_dict`. Raises `ValueError` if it is not such a dict."""
    try:
        name = values["kind"]
        if name in TOKENIZERS:
            return TOKENIZERS[name].from_dict(values)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Not a tokenizer: {error!r}.") from None
    raise ValueError(must_be_one_of("tokenizer", name, TOKENIZERS))
