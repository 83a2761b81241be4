"""How often tokens occur in a corpus: the commonest ones, and all of them by rank."""

from __future__ import annotations

import altair as alt
import pandas as pd

from lm.charts.looks import PALETTE


def frequency_chart(frame: pd.DataFrame, *, height: int = 300) -> alt.Chart:
    """A bar for each token, the most frequent first.

    `frame` has columns token (as it is written under its bar), count, and share in [0, 1].
    """
    short = frame["token"].str.len().max() <= 2
    labels = alt.Axis(labelAngle=0, labelOverlap=False) if short else alt.Axis(labelAngle=-60)
    return (
        alt.Chart(frame)
        .mark_bar(color=PALETTE[0], cornerRadiusEnd=2)
        .encode(
            x=alt.X("token:N", sort=None, title=None, axis=labels),
            y=alt.Y("share:Q", title="Share of all tokens", axis=alt.Axis(format="~%")),
            tooltip=[
                alt.Tooltip("token:N", title="Token"),
                alt.Tooltip("count:Q", title="Count", format=","),
                alt.Tooltip("share:Q", title="Share", format=".2%"),
            ],
        )
        .properties(height=height)
    )


def rank_chart(frame: pd.DataFrame, *, height: int = 300) -> alt.Chart:
    """Counts against rank, both logarithmic, where Zipf's law is a straight line.

    `frame` has columns rank, from 1 on, and count.
    """

    def log(column: str, title: str) -> dict:
        return {
            "shorthand": f"{column}:Q",
            "scale": alt.Scale(type="log", nice=False),
            "axis": alt.Axis(title=title, format="~s", tickCount=5),
        }

    return (
        alt.Chart(frame)
        .mark_line(color=PALETTE[0], strokeWidth=2.2)
        .encode(
            x=alt.X(**log("rank", "Rank, most frequent first")),
            y=alt.Y(**log("count", "Count")),
            tooltip=[
                alt.Tooltip("rank:Q", title="Rank", format=","),
                alt.Tooltip("count:Q", title="Count", format=","),
            ],
        )
        .properties(height=height)
    )
