"""What a model wrote: each token coloured, and what the model thought in its place."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from lm.writing.generation import GeneratedToken
from pages.common.components.browser import component, packed

# What a text can be coloured by -> how the control calls it.
COLOURS = {
    "probability": "Probability",
    "surprise": "Surprise",
    "rank": "Rank",
    "copied": "What stands in the train text",
}

_text_view = component("text_view")


@dataclass(frozen=True)
class Copied:
    """What of a text stands in the train text, told token by token."""

    note: str  # the findings in a sentence, or why there are none
    spans: Sequence[tuple[int, int, int]] = ()  # length, place and count of each copied run
    span_of: Sequence[int] = ()  # for each token the index of its run, -1 where it is in none
    longest: tuple[int, int] | None = None  # the first token of the longest run, and the one after
    quote: tuple[str, str, str, str] | None = None  # caption, before, the longest run, after


def text_view(
    label: str,
    texts: Sequence[str],
    probabilities: Sequence[float],
    *,
    key: str,
    prompt: str = "",
    height: int | None = None,
    tokens: Sequence[GeneratedToken] = (),
    names: Mapping[int, str] | None = None,
    copied: Copied | None = None,
    colour_key: str | None = None,
) -> None:
    """Show tokens one after another, coloured by the probability the model gave each.

    Pointing at a token, a click or the arrow keys open a panel about it, without asking the server.

    Args:
        label: Says what the text is, for those who do not see it.
        texts: One string per token; together they are the text.
        probabilities: In [0, 1], one per token.
        key: Unique on the page.
        prompt: What came before the tokens; shown bold and uncoloured.
        height: Pixels after which the text scrolls.
        tokens: The tokens with their ranks and equally many alternatives each, for the panel.
        names: The text of each id among the alternatives.
        copied: What of the text stands in the train text.
        colour_key: The `key` of a segmented control over `COLOURS`, which the browser follows.
    """
    details = {
        "ranks": [token.rank for token in tokens],
        "alternatives": packed([token.alternatives for token in tokens]),
        "names": names,
    }
    _text_view(
        data={
            "label": label,
            "prompt": prompt,
            "texts": list(texts),
            "probabilities": [float(p) for p in probabilities],
            "height": height,
            "details": details if tokens else None,
            "copied": copied and asdict(copied),
            "colour": colour_key and {"key": colour_key, "modes": list(COLOURS)},
        },
        key=key,
    )
