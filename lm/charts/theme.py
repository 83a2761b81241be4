"""The theme that all charts share: quiet axes and generous lines."""

from __future__ import annotations

import altair as alt

from lm.charts.looks import by_page

INK = by_page("'#5d626b'", "'#a3a8b0'").to_dict()  # of the numbers and titles of axes


def use_theme() -> None:
    """Draw all charts of this process in this theme.

    Entry points call it (the app, a command that writes figures, a notebook), since Altair has one
    theme for the whole process. Fonts stay those of whoever shows the chart.
    """
    alt.theme.register("lm", enable=True)(_theme)


def _theme() -> alt.theme.ThemeConfig:
    return {
        "config": {
            "view": {"stroke": "transparent"},
            "axis": {
                "grid": True,
                "gridOpacity": 0.6,
                "domain": False,
                "tickSize": 4,
                "labelColor": INK,
                "titleColor": INK,
            },
            "axisX": {"grid": False, "domain": True},
            "legend": {
                "symbolStrokeWidth": 2.5,
                "symbolSize": 120,
                "labelLimit": 360,
                "labelColor": INK,
                "titleColor": INK,
            },
            "line": {"strokeJoin": "round"},
        }
    }
