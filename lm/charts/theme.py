"""The theme that all charts share: quiet axes and generous lines."""

from __future__ import annotations

import altair as alt


def use_theme() -> None:
    """Draw all charts of this process in this theme.

    Entry points call it (the app, a command that writes figures, a notebook), since Altair has one
    theme for the whole process. Fonts and ink stay those of whoever shows the chart.
    """
    alt.theme.register("lm", enable=True)(_theme)


def _theme() -> alt.theme.ThemeConfig:
    return {
        "config": {
            "view": {"stroke": "transparent"},
            "axis": {"grid": True, "gridOpacity": 0.6, "domain": False, "tickSize": 4},
            "axisX": {"grid": False, "domain": True},
            "legend": {"symbolStrokeWidth": 2.5, "symbolSize": 120, "labelLimit": 360},
            "line": {"strokeJoin": "round"},
        }
    }
