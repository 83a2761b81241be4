"""Texts that several checkpoints write at once: a lane for each, advanced in slices of time."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from lm.datasets.tokenizers import Tokenizer
from lm.runs import Run
from lm.writing.generation import GeneratedToken, generate, text_pieces
from lm.writing.sampling import Sampling
from pages.common import caches
from pages.common.components.text_view import Copied

N_ALTERNATIVES = 6  # of the likeliest tokens, told beside each that was drawn


@dataclass
class Lane:
    """What one checkpoint has written so far, and what it thought of each token."""

    run: Run
    prompt: str
    texts: list[str] = field(default_factory=list)
    tokens: list[GeneratedToken] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)  # the text of each alternative
    copied: Future[Copied] | None = None  # what of it stands in the train text
    problem: str = ""  # a sentence for the user when this checkpoint cannot write
    _pieces: Iterator[str] | None = None

    @property
    def probabilities(self) -> list[float]:
        """What the model thought of each token before temperature and filters."""
        return [token.probability for token in self.tokens]

    @property
    def writing(self) -> bool:
        """Whether there is more text to come."""
        return self._pieces is not None

    @property
    def busy(self) -> bool:
        """Whether there is more to come, of the text or about its copies."""
        return not self.problem and not (self.copied and self.copied.done())


def begin(runs: Sequence[Run], prompt: str, n_tokens: int, sampling: Sampling) -> list[Lane]:
    """Open a lane for each run; a run that cannot write gets its reason in `problem`."""
    lanes = []
    for run in runs:
        lane = Lane(run, prompt)
        lanes.append(lane)
        try:
            tokenizer, read = caches.tokenizer(run), caches.prompt(run, prompt)
            lane.prompt = read.text
            drawn = generate(
                caches.decoder(run),
                read.token_ids,
                n_tokens,
                sampling,
                n_alternatives=N_ALTERNATIVES,
            )
            lane._pieces = text_pieces(tokenizer, read.token_ids, _noted(lane, tokenizer, drawn))
        except (ValueError, OSError) as error:
            lane.problem = str(error)
    return lanes


def _noted(
    lane: Lane, tokenizer: Tokenizer, drawn: Iterator[GeneratedToken]
) -> Iterator[GeneratedToken]:
    for token in drawn:
        lane.tokens.append(token)
        for token_id, _ in token.alternatives:
            if token_id not in lane.names:
                lane.names[token_id] = tokenizer.token_text(token_id)
        yield token


def advance(lanes: Sequence[Lane], seconds: float) -> None:
    """Let the lanes write in turn for about `seconds`, or to their end."""
    deadline = time.monotonic() + seconds
    while any(lane.writing for lane in lanes) and time.monotonic() < deadline:
        for lane in lanes:
            if lane._pieces is None:
                continue
            try:
                piece = next(lane._pieces, None)
            except ValueError as error:
                lane.problem, piece = str(error), None
            if piece is None:
                lane._pieces = None
            elif len(lane.texts) < len(lane.tokens):
                lane.texts.append(piece)
            elif lane.texts:
                lane.texts[-1] += piece  # bytes that never became a character


def stop(lanes: Sequence[Lane]) -> None:
    """End all lanes where they are."""
    for lane in lanes:
        lane._pieces = None
