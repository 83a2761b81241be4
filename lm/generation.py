"""Text from a model, token by token.

A draw takes one uniform number that depends on the seed and the token's place in the text
alone, and the row of tokens that a model reads depends on that place alone. So the same seed
writes the same text with and without a cache, and a text cut anywhere and continued from
there goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lm.config import RunConfig, Sampling
from lm.models import LanguageModel, Past, WindowModel, build_model, load_weights
from lm.tokenizers import Tokenizer, UnknownTokenError


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another model; the message says which."""


class NonFiniteLogitsError(CheckpointError, ArithmeticError):
    """Weights with which training diverged."""

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
    alternatives: tuple[tuple[int, float], ...] = ()  # likeliest ids, with the same probability

    @property
    def surprise(self) -> float:
        """-ln probability, nats: what this token adds to a loss."""
        return float(-np.log(self.probability)) if self.probability else float("inf")


def softmax(logits: np.ndarray) -> np.ndarray:
    """(V,) -> (V,) probabilities, the model's own."""
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def filter_distribution(logits: np.ndarray, sampling: Sampling) -> np.ndarray:
    """(V,) logits -> (V,) float64 probabilities after temperature and filters.

    In this order, each on what the one before left over, renormalised: `temperature` divides
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
        order = np.argsort(-probabilities, kind="stable")[:top_k]
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


def row_start(model: LanguageModel, n_tokens: int) -> int:
    """Index of the first token that a model reads to continue a text of `n_tokens`.

    A window model reads its last `context_length`. Self-attention has a position for each of
    `context_length` tokens; once they are used up it starts again from the last half of them,
    so that a cache is rebuilt once per half context.
    """
    length = model.config.context_length
    if n_tokens <= length:
        return 0
    if isinstance(model, WindowModel):
        return n_tokens - length
    half = max(1, length // 2)
    return n_tokens - half - (n_tokens - length - 1) % (length - half + 1)


class _Reader:
    """The logits after a text that grows from call to call."""

    def __init__(self, model: LanguageModel, use_cache: bool) -> None:
        self.model, self.use_cache = model, use_cache
        self.device = next(model.parameters()).device
        self.past: Past | None = None
        self.start = self.n_read = 0

    @torch.inference_mode()
    def logits(self, token_ids: list[int]) -> np.ndarray:
        """(V,) float64 after `token_ids`, which begin with those of the call before."""
        start = row_start(self.model, len(token_ids))
        moved = start != self.start and not isinstance(self.model, WindowModel)
        if self.past is None or moved or not self.use_cache:
            self.past, self.start, self.n_read = self.model.new_past(), start, start
        row = torch.tensor([token_ids[self.n_read :]], device=self.device)
        self.n_read = len(token_ids)
        logits = self.model.head(self.model.features(row, self.past)[:, -1])[0]  # (V,)
        return logits.cpu().numpy().astype(np.float64)


def next_token_logits(model: LanguageModel, token_ids: Sequence[int]) -> np.ndarray:
    """(V,) float64 logits of the token after `token_ids`, as `generate` sees them there.

    `softmax` of them is the model's own distribution, `filter_distribution` what is drawn from.
    """
    text = _checked(model, token_ids)
    was_training = model.training
    model.eval()
    try:
        return _Reader(model, use_cache=False).logits(text)
    finally:
        model.train(was_training)


def generate(
    model: LanguageModel,
    token_ids: Sequence[int],
    n_tokens: int,
    sampling: Sampling,
    *,
    use_cache: bool = True,
    n_alternatives: int = 0,
) -> Iterator[GeneratedToken]:
    """Continue `token_ids` (at least one; see `prompt_ids`) by `n_tokens`, one by one.

    Raises ValueError for an empty text or an unknown id, `NonFiniteLogitsError` if the model
    has diverged.
    """
    text = _checked(model, token_ids)
    reader = _Reader(model, use_cache)
    uniforms = islice(_uniforms(sampling.seed), len(text), len(text) + n_tokens)
    was_training = model.training
    model.eval()
    try:
        for uniform in uniforms:
            logits = reader.logits(text)
            if not np.isfinite(logits).all():
                raise NonFiniteLogitsError
            own = softmax(logits)
            token_id = draw(filter_distribution(logits, sampling), uniform)
            likeliest = np.argsort(-own, kind="stable")[:n_alternatives] if n_alternatives else ()
            text.append(token_id)
            yield GeneratedToken(
                token_id=token_id,
                probability=float(own[token_id]),
                alternatives=tuple((int(i), float(own[i])) for i in likeliest),
            )
    finally:
        model.train(was_training)


def _uniforms(seed: int) -> Iterator[float]:
    """Numbers for the tokens of a text, prompt included, the k-th for the k-th."""
    random = np.random.Generator(np.random.Philox(key=seed))
    while True:
        yield from random.random(256)


def _checked(model: LanguageModel, token_ids: Sequence[int]) -> list[int]:
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
    """Token ids to continue: those of `prompt` or, since a model needs something to start
    from, for an empty one the end of a line (a newline, <eos>), else token 0.

    Raises `UnknownTokenError`.
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
    """The text of `tokens` as they come; joined, it is what they add to the text of `before`.

    A character whose bytes are several tokens is held back until it is whole.
    """
    recent = list(before[-4:])  # UTF-8 has at most 4 bytes to a character
    shown = len(tokenizer.decode(recent).removesuffix("\ufffd"))
    for token in tokens:
        recent.append(token.token_id)
        text = tokenizer.decode(recent)
        whole = text.removesuffix("\ufffd")  # perhaps the start of a character
        yield whole[shown:]
        shown = len(whole)
        if whole == text:
            recent = recent[-1:]
            shown = len(tokenizer.decode(recent))
    yield tokenizer.decode(recent)[shown:]


# --- models from disk ---------------------------------------------------------------------


class Trained(Protocol):
    """What of a run makes its model."""

    @property
    def config(self) -> RunConfig: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def weights_path(self) -> Path: ...


def load_model(run: Trained, device: str = "cpu") -> LanguageModel:
    """A run's model with its trained weights, in evaluation mode. Raises `CheckpointError`."""
    path = run.weights_path
    if not path.is_file():
        raise CheckpointError(f"There are no trained weights yet: {path} is missing.")
    model = build_model(run.config.model, run.facts["vocab_size"])
    try:
        load_weights(model, load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not of this run ({error}).") from None
    return model.to(device).eval()
