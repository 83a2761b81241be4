"""From data frames to charts: pure functions, and the one place that imports altair.

There is a file per chart. `looks` has colours, dashes and marks, `axes` scales, ticks and reference
lines, `data` what is done to a series before it is drawn, and `printing` makes pictures. Text and
grid come from the theme of whoever shows a chart: entry points call `use_theme`. The functions
`describe_...` say in a sentence what a chart shows, for those who do not see it.
"""

from lm.base.looks import Look
from lm.charts.axes import COMPARED, X_TITLES, labelled, loss_axis
from lm.charts.bands import BAND_READING, curve_figure, curve_plot
from lm.charts.corpora import frequency_chart, rank_chart
from lm.charts.curves import describe_curves, training_curves
from lm.charts.data import MOST_POINTS, log_spaced, smooth, sparkline, thin
from lm.charts.embedding import embedded
from lm.charts.frontier import Mark, describe_frontier, frontier_chart
from lm.charts.looks import PALETTE, SHAPES, few_looks, of_architecture, run_looks
from lm.charts.loss import describe_loss, loss_chart
from lm.charts.printing import to_png, to_svg
from lm.charts.results import describe_results, results_chart
from lm.charts.spread import SPREAD_READING, Panel, spread_figure, spread_plots
from lm.charts.theme import use_theme
from lm.charts.times import Answer, describe_time, time_chart
