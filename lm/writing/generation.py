"""Text from a model, token by token.

The random number for a token depends only on the seed and on the token's place in the text, and
how many tokens before it the model reads depends only on that place. So the same seed writes the
same text with and without a cache, and a text that is cut anywhere and continued goes on as it
would have. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from lm.architectures import ArchitectureConfig, Decoder, build_decoder
from lm.datasets.tokenizers import Tokenizer, UnknownTokenError
from lm.writing.loading import CheckpointError
from lm.writing.sampling import Sampling


class NonFiniteLogitsError(CheckpointError, ArithmeticError):
    """The model's logits are not finite: its training diverged."""

    def __init__(self) -> None:
        super().__init__(
            "The model has diverged: a logit is infinite or not a number. "
            "Lower the learning rate, or clip gradients."
        )


# --- drawing ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedToken:
    """A drawn token, and how probable the model thought it before temperature and filters."""

    token_id: int
    probability: float
    rank: int = 1  # 1 for the likeliest; of equals the smaller id goes first
    alternatives: tuple[tuple[int, float], ...] = ()  # the likeliest ids and their probabilities

    @property
    def surprise(self) -> float:
        """-ln probability, nats: what this token adds to a loss."""
        return float(-np.log(self.probability)) if self.probability else float("inf")


def softmax(logits: np.ndarray) -> np.ndarray:
    """(V,) logits -> (V,) probabilities, before temperature and filters."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def filter_distribution(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """(V,) logits -> (V,) float64 probabilities after temperature and filters.

    They apply in this order, each to what the one before left, renormalised: `temperature` divides
    the logits (0: the likeliest token has probability 1); `top_k` keeps the k likeliest;
    `top_p` keeps the shortest list of likeliest tokens whose sum is at least `top_p`; `min_p`
    keeps what is at least `min_p` times as probable as the likeliest. Of equals the smaller
    id goes first. The likeliest token always stays.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if sampling.temperature == 0:
        return np.eye(1, len(logits), int(logits.argmax()))[0]
    with np.errstate(over="ignore"):  # a tiny temperature: -inf, and 0 for the likeliest
        probabilities = softmax((logits - logits.max()) / sampling.temperature)
    top_k = sampling.top_k or len(logits)
    if top_k < len(logits) or sampling.top_p < 1:
        order = np.argsort(-logits, kind="stable")[:top_k]  # exact where weights round alike
        if sampling.top_p < 1:
            sums = np.cumsum(probabilities[order])
            order = order[: 1 + np.searchsorted(sums, sampling.top_p * sums[-1])]
        kept = np.zeros_like(probabilities)
        kept[order] = probabilities[order]
        probabilities = kept
    if sampling.min_p > 0:
        floor = sampling.min_p * probabilities.max()
        probabilities = np.where(probabilities >= floor, probabilities, 0.0)
    return probabilities / probabilities.sum()


def draw(probabilities: np.ndarray, uniform: float) -> int:
    """The token at `uniform` (0 <= uniform < 1) of the cumulative distribution, in order of ids."""
    sums = np.cumsum(probabilities)
    place = min(uniform * sums[-1], np.nextafter(sums[-1], 0))  # rounding must not pass the end
    return int(np.searchsorted(sums, place, side="right"))


# --- reading ------------------------------------------------------------------------------


class Network(Protocol):
    """A model as torch computes with it."""

    config: ArchitectureConfig
    vocab_size: int

    def named_parameters(self) -> Iterator[tuple[str, Any]]: ...


def as_decoder(model: Decoder | Network) -> Decoder:
    """A decoder with the present weights of a model; a decoder is returned as it is."""
    if isinstance(model, Decoder):
        return model
    arrays = {name: value.detach().cpu().numpy() for name, value in model.named_parameters()}
    return build_decoder(model.config, model.vocab_size, arrays)


def next_token_logits(model: Decoder | Network, token_ids: Sequence[int]) -> np.ndarray:
    """(V,) float64 logits of the token after `token_ids`, from which `generate` would draw.

    `softmax` of them is the model's own distribution, `filter_distribution` that of the draw.
    Raises ValueError for an empty text or an id outside the vocabulary.
    """
    decoder = as_decoder(model).fresh()
    text = _checked(decoder, token_ids)
    return decoder.logits(np.array([text]))[0].astype(np.float64)


def generate(
    model: Decoder | Network,
    token_ids: Sequence[int],
    n_tokens: int,
    sampling: Sampling,
    *,
    use_cache: bool = True,
    n_alternatives: int = 0,
) -> Iterator[GeneratedToken]:
    """Continue `token_ids` (at least one; see `prompt_ids`) by `n_tokens`, one by one.

    `use_cache=False` computes every token anew from the whole text; `n_alternatives` is how many
    of the likeliest tokens to report beside each. Raises ValueError for an empty text or an id
    outside the vocabulary, `NonFiniteLogitsError` if the model has diverged.
    """
    texts = generate_several(
        model, token_ids, n_tokens, [sampling], use_cache=use_cache, n_alternatives=n_alternatives
    )
    for (token,) in texts:
        yield token


def generate_several(
    model: Decoder | Network,
    token_ids: Sequence[int],
    n_tokens: int,
    samplings: Sequence[Sampling],
    *,
    use_cache: bool = True,
    n_alternatives: int = 0,
) -> Iterator[tuple[GeneratedToken, ...]]:
    """Continue one text several times at once: each tuple has the next token of every text.

    There is a text for each of `samplings`. They are the texts that `generate` writes, except
    where rounding decides a close draw. Arguments and errors as there.
    """
    decoder = as_decoder(model).fresh()  # a cache of its own: others may write in turns
    begun = _checked(decoder, token_ids)
    n_begun, n_texts = len(begun), len(samplings)
    luck = [islice(_uniforms(sampling.seed), n_begun, None) for sampling in samplings]
    texts = np.tile(np.array(begun, dtype=np.int64), (n_texts, 1))  # with room at the end
    for end in range(n_begun, n_begun + n_tokens):
        if not use_cache:
            decoder = decoder.fresh()
        every = decoder.logits(texts[:, :end]).astype(np.float64)
        if not np.isfinite(every).all():
            raise NonFiniteLogitsError
        drawn = [
            _drawn(logits, sampling, next(uniforms), n_alternatives)
            for logits, sampling, uniforms in zip(every, samplings, luck, strict=True)
        ]
        if end == texts.shape[1]:
            texts = np.concatenate([texts, np.empty_like(texts)], axis=1)
        texts[:, end] = [token.token_id for token in drawn]
        yield tuple(drawn)


def _drawn(
    logits: np.ndarray, sampling: Sampling, uniform: float, n_alternatives: int
) -> GeneratedToken:
    own = softmax(logits)
    token_id = draw(filter_distribution(logits, sampling), uniform)
    likeliest = np.argsort(-own, kind="stable")[:n_alternatives] if n_alternatives else ()
    return GeneratedToken(
        token_id=token_id,
        probability=float(own[token_id]),
        rank=1 + int((own > own[token_id]).sum() + (own[:token_id] == own[token_id]).sum()),
        alternatives=tuple((int(i), float(own[i])) for i in likeliest),
    )


def _uniforms(seed: int) -> Iterator[float]:
    """A number in [0, 1) for each token of a text, the prompt's included."""
    random = np.random.Generator(np.random.Philox(key=seed))
    while True:
        yield from random.random(256)


def _checked(model: Decoder, token_ids: Sequence[int]) -> list[int]:
    text = [int(token_id) for token_id in token_ids]
    if not text:
        raise ValueError("A text to continue must hold at least one token. Received: none.")
    if not 0 <= min(text) <= max(text) < model.vocab_size:
        outside = next(token_id for token_id in text if not 0 <= token_id < model.vocab_size)
        raise ValueError(
            f"A token id must be from 0 to {model.vocab_size - 1}. Received: {outside}."
        )
    return text


# --- text in, text out --------------------------------------------------------------------


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The token ids of `prompt`, to be continued.

    A model needs a token to start from: an empty prompt is the end of a line (a newline or <eos>)
    or, in a vocabulary without one, token 0. Raises `UnknownTokenError`.
    """
    if token_ids := tokenizer.encode(prompt).tolist():
        return token_ids
    try:
        return tokenizer.encode("\n").tolist()
    except UnknownTokenError:
        return [0]


def text_pieces(
    tokenizer: Tokenizer, before: Sequence[int], tokens: Iterable[GeneratedToken]
) -> Iterator[str]:
    """The text of each of `tokens`; joined, it is what they add to the text of the ids `before`.

    A character whose bytes are several tokens is held back until it is whole.
    """
    recent = list(before[-4:])  # UTF-8 has at most 4 bytes to a character
    n_given = len(tokenizer.decode(recent).removesuffix("\ufffd"))
    for token in tokens:
        recent.append(token.token_id)
        text = tokenizer.decode(recent)
        whole = text.removesuffix("\ufffd")  # perhaps the start of a character
        yield whole[n_given:]
        n_given = len(whole)
        if whole == text:
            recent = recent[-1:]
            n_given = len(tokenizer.decode(recent))
    yield tokenizer.decode(recent)[n_given:]
