"""From a `DataConfig` to text, and to the token ids of its splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from lm.base.records import Evaluation
from lm.base.wording import listed
from lm.datasets.config import DataConfig
from lm.datasets.counting.spacing import Spacing
from lm.datasets.counting.spelling import Spelling
from lm.datasets.registry import DATASETS, without_files
from lm.datasets.remarks import remarks
from lm.datasets.spec import Dataset, DatasetError, Original, Splits
from lm.datasets.tokenizers import Tokenizer, UnknownTokenError, train_tokenizer
from lm.datasets.tokenizers.word import EOS, UNK, split_words

PROMPT_CHARS = 24
PROMPT_TOKENS = 1_000  # of the validation split, in which a prompt is looked for


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One split as tokens."""

    token_ids: np.ndarray  # (n_tokens,) int64
    n_chars: int
    spelling_nats: float = 0.0  # to spell the words that became <unk>
    source_nats: float | None = None  # -ln p of the text under its true source, where computable
    spacing_nats: float = 0.0  # to tell the white space that its tokens leave out
    n_words: int | None = None  # of its tokens, where tokens are words and newlines
    n_unknown: int | None = None  # words that are <unk>

    @property
    def n_tokens(self) -> int:
        return len(self.token_ids)

    @property
    def ideal_loss(self) -> float | None:
        """Nats per token of a model that equals the text's true source, where computable."""
        return None if self.source_nats is None else self.source_nats / self.n_tokens

    @property
    def unknown_share(self) -> float | None:
        """Which share of its words is `<unk>`, where tokens are words."""
        return self.scored(0.0).unknown_share

    def scored(self, total_nats: float) -> Evaluation:
        """It, scored by a model to which its tokens cost `total_nats` together."""
        return Evaluation(
            total_nats=total_nats,
            n_tokens=self.n_tokens,
            n_chars=self.n_chars,
            spelling_nats=self.spelling_nats,
            spacing_nats=self.spacing_nats,
            n_words=self.n_words,
            n_unknown=self.n_unknown,
        )

    def __repr__(self) -> str:
        return f"Split({self.n_tokens:,} tokens of {self.n_chars:,} characters)"


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """A text, split and encoded. There is no test in the nanogpt split, nor for a choice."""

    data: DataConfig
    tokenizer: Tokenizer
    train: Split
    valid: Split
    test: Split | None
    sha256: str  # of the text; see `Splits`
    original: Original | None = None  # the file, if it was not UTF-8
    cut: str = ""  # which part of the text is held out: a sentence
    notes: tuple[str, ...] = ()  # sentences: what to know before its losses are read

    @property
    def dataset(self) -> Dataset:
        return DATASETS[self.data.dataset]

    @property
    def about(self) -> list[str]:
        """What there is to say of it, in sentences: what is held out, and its notes."""
        return [sentence for sentence in (self.cut, *self.notes) if sentence]

    @property
    def n_scored_tokens(self) -> int:
        """Tokens that are scored when a run ends: those of all splits but train."""
        return sum(split.n_tokens for name, split in self.splits.items() if name != "train")

    @property
    def splits(self) -> dict[str, Split]:
        """The splits there are, by name."""
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: split for name, split in parts.items() if split is not None}

    @property
    def entropy_per_char(self) -> float | None:
        """The entropy rate of its true source in nats per character, where computable."""
        return self.dataset.entropy_per_char()

    def sample_prompt(self) -> str:
        """What samples go on from: the dataset's own prompt, else the beginning of a line.

        The line is of the validation text, and cut where the tokenizer can encode what is left.
        """
        if (prompt := self.dataset.sample_prompt) is not None and self._decoded(prompt) is not None:
            return prompt
        token_ids = self.valid.token_ids[:PROMPT_TOKENS]
        for line in self.tokenizer.decode(token_ids).split("\n")[1:]:
            if (line := line.strip()) and self._decoded(line) == line:
                return self._beginning(line)
        return self.tokenizer.decode(token_ids[:1])

    def _decoded(self, text: str) -> str | None:
        """A text encoded and decoded again, None where the tokenizer cannot express it."""
        try:
            return self.tokenizer.decode(self.tokenizer.encode(text))
        except UnknownTokenError:
            return None

    def _beginning(self, line: str) -> str:
        """As many whole words of a line as PROMPT_CHARS hold, or that much of a longer word.

        Where that is no word of the vocabulary, whole tokens: as many as hold, or one.
        """
        if len(line) <= PROMPT_CHARS:
            return line
        whole_words = line[: PROMPT_CHARS + 1].rpartition(" ")[0]
        cut = whole_words or line[:PROMPT_CHARS]
        if self._decoded(cut) == cut:
            return cut
        token_ids, beginning = self.tokenizer.encode(line), ""
        for n_tokens in range(1, len(token_ids) + 1):
            text = self.tokenizer.decode(token_ids[:n_tokens])
            if beginning and len(text) > PROMPT_CHARS:
                break
            if line.startswith(text) and self._decoded(text) == text:  # no part of a character
                beginning = text
        return beginning or line

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {split.n_tokens:,}" for name, split in self.splits.items())
        return f"Corpus({self.data.text_path or self.data.dataset}: {sizes}; {self.tokenizer!r})"


def load_text(data: DataConfig) -> Splits:
    """The text of a corpus, split. Raises `DatasetError`."""
    dataset = DATASETS[data.dataset]
    if (missing := dataset.missing()) is not None:
        fetch = f"Fetch it with `python -m lm data download {dataset.name}`, put"
        raise DatasetError(
            f"{dataset.title} is not here: {missing} is missing. "
            f"{fetch if dataset.download else 'Put'} the file there by hand, "
            f"or use {listed(without_files(), 'or')}, which need no file."
        )
    return dataset.read(data)


def load(
    data: DataConfig,
    tokenizer: Tokenizer | None = None,
    *,
    for_choice: bool = False,
    instead: str | None = None,
) -> Corpus:
    """A corpus as tokens, by the tokenizer of a run or by one made from the text.

    Args:
        data: Which text, and its cut.
        tokenizer: That of a run. Left out: the one that `data` names.
        for_choice: For whoever chooses settings by what they come to. There is no test split then,
            and no cut is given whose validation text is the test text of another. An alphabet has
            the same characters, so that models are those that will be tested.
        instead: Another text, which takes the place of the validation split; there is no test.

    Raises `DatasetError`, or `UnknownTokenError` if a given tokenizer does not fit the text.
    """
    dataset = DATASETS[data.dataset]
    if for_choice and data.split in dataset.testing_splits:
        others = [name for name in dataset.splits if name not in dataset.testing_splits]
        raise DatasetError(
            f"Nothing may be chosen by split={data.split} of {dataset.title}: what it validates on "
            f"is the test text of another split. Choose by split={listed(others, 'or')}."
        )
    texts = load_text(data)
    if tokenizer is None:
        tokenizer = train_tokenizer(
            data.tokenizer,
            texts.train,
            [texts.valid, texts.test or ""],
            data.bpe_vocab_size,
        )
    if instead is not None:
        texts = replace(texts, valid=instead, test=None)

    @cache
    def spelling() -> Spelling:
        return Spelling(word for word in split_words(texts.train) if word not in (EOS, UNK))

    @cache
    def spacing() -> Spacing:
        return Spacing(tokenizer.spacing(texts.train))

    def spelling_nats(text: str) -> float:
        unknown = tokenizer.unknown(text)
        return spelling().nats(unknown) if unknown else 0.0

    def spacing_nats(text: str) -> float:
        pieces = tokenizer.spacing(text)
        return spacing().nats(pieces) if pieces else 0.0

    def encode(part: str, text: str) -> Split:
        token_ids = tokenizer.encode(text)
        if len(token_ids) < 2:
            raise DatasetError(
                f"The {part} split of {data.text_path or data.dataset} has {len(token_ids)} "
                f"token{'s'[: len(token_ids) != 1]} with tokenizer {tokenizer.name}; it needs two "
                "or more. Give a longer text, or choose another tokenizer."
            )
        return Split(
            token_ids,
            len(text),
            spelling_nats(text),
            dataset.source_nats(text) if instead is None else None,
            spacing_nats(text),
            *tokenizer.count_words(token_ids),
        )

    train, valid = encode("train", texts.train), encode("valid", texts.valid)
    test = None if texts.test is None or for_choice else encode("test", texts.test)
    held_out = {"valid": valid, **({} if test is None else {"test": test})}
    return Corpus(
        data,
        tokenizer,
        train,
        valid,
        test,
        texts.sha256,
        texts.original,
        texts.cut,
        (*texts.notes, *remarks(data, tokenizer, train, held_out)),
    )
