"""Charts as pictures, SVG or PNG, which vl-convert draws without a browser."""

from __future__ import annotations

import io
from typing import Any

import altair as alt

PRINT_WIDTH = 720  # pixels
PLOT_WIDTH = PRINT_WIDTH - 75  # without the axis at the left


def print_title(title: str) -> alt.TitleParams:
    """The title of a figure, over its left end."""
    return alt.TitleParams(title, anchor="start", fontSize=14, fontWeight=600, offset=14)


def to_svg(chart: Any, *, width: int | None = PRINT_WIDTH) -> str:
    """The chart as SVG, for print. `width` in pixels; None keeps the chart's own."""
    import vl_convert

    return vl_convert.vegalite_to_svg(printed(chart.properties(width=width) if width else chart))


def to_png(chart: Any) -> bytes:
    """The chart as PNG, for print, with two pixels to a point and a palette of 128 colours."""
    import vl_convert
    from PIL import Image

    drawn = Image.open(io.BytesIO(vl_convert.vegalite_to_png(printed(chart), scale=2)))
    picture = io.BytesIO()
    few_colours = drawn.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few_colours.save(picture, "PNG", optimize=True)
    return picture.getvalue()


def printed(chart: Any) -> dict[str, Any]:
    """The Vega-Lite specification of a chart for print: on white, in fonts that are everywhere."""
    font = "Helvetica, Arial, 'Liberation Sans', sans-serif"
    return (
        chart.configure(background="white", font=font, padding=10)
        .configure_axis(labelFontSize=13, titleFontSize=13, titlePadding=8, titleFontWeight=600)
        .configure_legend(labelFontSize=13, symbolSize=110, symbolStrokeWidth=2.5)
        .configure_view(stroke="transparent")
        .to_dict()
    )
