"""What a model wrote, each token coloured by the probability that the model gave it."""

from collections.abc import Sequence

from pages.common.components.browser import component

_text_view = component("text_view")


def text_view(
    label: str,
    texts: Sequence[str],
    probabilities: Sequence[float],
    *,
    key: str,
    prompt: str = "",
    height: int | None = None,
) -> None:
    """Show tokens one after another, coloured by the probability the model gave each.

    Args:
        label: Says what the text is, for those who do not see it.
        texts: One string per token; together they are the text.
        probabilities: In [0, 1], one per token.
        key: Unique on the page.
        prompt: What came before the tokens; shown bold and uncoloured.
        height: Pixels after which the text scrolls.
    """
    _text_view(
        data={
            "label": label,
            "prompt": prompt,
            "texts": list(texts),
            "probabilities": [float(p) for p in probabilities],
            "height": height,
        },
        key=key,
    )
