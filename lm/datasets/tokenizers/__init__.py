"""Text to token ids and back: characters, words, bytes and byte-pair encoding."""

from lm.datasets.tokenizers.bpe import BPETokenizer
from lm.datasets.tokenizers.byte import ByteTokenizer
from lm.datasets.tokenizers.char import CharTokenizer
from lm.datasets.tokenizers.registry import (
    TOKENIZERS,
    WORD_VOCAB_SIZE,
    tokenizer_from_dict,
    train_tokenizer,
)
from lm.datasets.tokenizers.spec import TokenIds, Tokenizer, UnknownTokenError
from lm.datasets.tokenizers.word import WordTokenizer, split_words

__all__ = [
    "TOKENIZERS",
    "WORD_VOCAB_SIZE",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "TokenIds",
    "Tokenizer",
    "UnknownTokenError",
    "WordTokenizer",
    "split_words",
    "tokenizer_from_dict",
    "train_tokenizer",
]
