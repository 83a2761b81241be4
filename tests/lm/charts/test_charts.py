"""Charts: what is thinned away, what stays put, what tells runs apart."""

import itertools
import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lm import charts
from lm.architectures import ARCHITECTURES
from lm.charts.ends import spread_out
from lm.charts.labels import TEXT, places
from lm.charts.looks import MARKED, MORE_DASHES, MORE_SHAPES, NEUTRAL, PAGES, PALETTE, contrast
from tests.lm.toys.architecture import BIGRAM

ROOT = Path(__file__).parents[3]
COLORS = (*PALETTE, NEUTRAL, MARKED)
REFERENCES = {"uniform": 4.17, "unigram": 3.31, "bigram": 2.5}


def metrics(n: int) -> pd.DataFrame:
    step = np.arange(1, n + 1)
    return pd.DataFrame(
        {
            "step": step,
            "tokens": step * 100,
            "flops": step * 10**9,
            "seconds": step / 10,
            "train_loss": 4 / np.sqrt(step),
            "sampled_val_loss": np.where(step % 10 == 0, 4 / np.sqrt(step) + 0.1, np.nan),
        }
    )


def loss_chart(frame: pd.DataFrame, **changes) -> dict:
    settings = {"x": "step", "x_end": 5000.0, "y_domain": (1.0, 4.3), "references": REFERENCES}
    return charts.loss_chart(frame, color="#000", **{**settings, **changes}).to_dict()


@pytest.mark.parametrize("n", [1, 2, 499, 500, 501, 50_000])
def test_thinning_keeps_ends_and_extremes(n: int) -> None:
    frame = pd.DataFrame({"x": range(n), "y": np.sin(np.arange(n)) * np.arange(n)})
    thinned = charts.thin(frame, "y")
    assert len(thinned) <= charts.MOST_POINTS
    assert thinned["x"].is_monotonic_increasing
    assert thinned.iloc[[0, -1]].equals(frame.iloc[[0, -1]])
    assert thinned["y"].min() == frame["y"].min()
    assert thinned["y"].max() == frame["y"].max()


def test_growing_curve_changes_nothing_but_its_rows() -> None:
    one, other = loss_chart(metrics(3)), loss_chart(metrics(4000))
    assert one.pop("datasets") != other.pop("datasets")
    assert json.dumps(one) == json.dumps(other)
    empty = loss_chart(metrics(3).iloc[:0])
    assert empty.pop("datasets") == {"curve": []}
    assert json.dumps(empty) == json.dumps(one)


def test_the_run_before_lies_behind_and_ends_where_the_axis_does() -> None:
    before = metrics(80)
    one, other = (loss_chart(metrics(n), before=before, x_end=60.0, references={}) for n in (3, 40))
    rows = one["datasets"]["before"]
    assert [row["x"] for row in rows] == [10, 20, 30, 40, 50, 60]
    drawn_from = [layer["data"]["name"] for layer in one["layer"]]
    assert drawn_from == ["before", "before", "curve", "curve"]  # what comes later lies on top
    assert one.pop("datasets") != other.pop("datasets")
    assert json.dumps(one) == json.dumps(other)
    short = loss_chart(metrics(3), before=metrics(5))["datasets"]["before"]  # no sample scored yet
    assert [row["loss"] for row in short] == metrics(5)["train_loss"].tolist()


def test_live_chart_sends_at_most_500_points_a_line() -> None:
    rows = loss_chart(metrics(20_000))["datasets"]["curve"]
    by_curve = pd.DataFrame(rows).groupby("curve").size()
    assert set(by_curve.index) == {"train", "validation, sampled"}
    assert by_curve.max() <= charts.MOST_POINTS


@pytest.mark.parametrize("x", charts.X_TITLES)
@pytest.mark.parametrize("log_x", [True, False])
def test_every_axis_draws(x: str, log_x: bool) -> None:
    spec = loss_chart(metrics(20), x=x, log_x=log_x)
    assert json.dumps(spec)


@pytest.mark.parametrize("x", charts.COMPARED)
@pytest.mark.parametrize("log_x", [True, False])
def test_curves_are_drawn_against_every_axis(x: str, log_x: bool) -> None:
    frame = metrics(20).assign(operations=lambda rows: 2 * rows["flops"], bytes=lambda rows: 4e9)
    look = charts.run_looks({"a": "mlp"}, {"a": "a"})
    spec = charts.training_curves({"a": frame}, look, x=x, log_x=log_x).to_dict()
    assert charts.COMPARED[x] in json.dumps(spec)


def test_axis_holds_guesses_above_and_losses_below() -> None:
    low, high = charts.loss_axis(REFERENCES)
    assert low < 0.75 * 2.5
    assert high > 4.17
    assert charts.loss_axis(REFERENCES, lowest=low + 0.1) == (low, high)
    assert charts.loss_axis(REFERENCES, lowest=0.3)[0] <= 0.3


def test_look_stays_when_runs_come_and_are_told_apart() -> None:
    groups = {f"run{i}": ["mlp", "transformer", "linear", "attention"][i % 4] for i in range(12)}
    labels = {run_id: run_id for run_id in groups}
    every = charts.run_looks(groups, labels)
    fewer = charts.run_looks(dict(list(groups.items())[:5]), labels)
    assert all(every[run_id] == look for run_id, look in fewer.items())
    assert every["run1"].color == charts.of_architecture("transformer").color
    drawn = {(look.color, look.dash) for look in every.values()}
    marked = {(look.color, look.shape) for look in every.values()}
    assert len(drawn) == len(marked) == len(every)


def test_the_first_run_of_an_architecture_has_its_own_look() -> None:
    names = dict.fromkeys(ARCHITECTURES)
    own = charts.run_looks({name: name for name in names}, dict.fromkeys(names, ""))
    assert own == {name: charts.of_architecture(name) for name in names}
    assert len(set(own.values())) == len(ARCHITECTURES)
    assert charts.of_architecture("of another program") not in own.values()


def test_results_without_a_number_are_an_empty_chart() -> None:
    frame = pd.DataFrame({"run_id": ["a"], "flops": [1e9], "val_loss": [math.nan]})
    look = {"a": charts.Look("#000000", label="a")}
    chart = charts.results_chart(
        frame, look, x="flops", y="val_loss", x_title="", y_title="", log_x=True
    )
    assert json.dumps(chart.to_dict())


@pytest.mark.parametrize("cue", ["color", "dash", "shape"])
def test_each_cue_alone_tells_architectures_apart(cue: str) -> None:
    cues = [getattr(architecture.look, cue) for architecture in ARCHITECTURES.values()]
    assert len(set(cues)) == len(cues)


def test_no_run_takes_the_mark_of_another_architecture() -> None:
    """Nor of one that is added and has marks that further runs would else take."""
    looks = [architecture.look for architecture in ARCHITECTURES.values()]
    dash = next(dash for dash in MORE_DASHES if dash not in {look.dash for look in looks})
    shape = next(shape for shape in MORE_SHAPES if shape not in {look.shape for look in looks})

    class Added(type(BIGRAM)):
        look = charts.Look("#000000", dash=dash, shape=shape)

    with ARCHITECTURES.including(Added()):
        groups = {f"{name} {i}": name for name in ARCHITECTURES for i in range(5)}
        for run_id, look in charts.run_looks(groups, groups).items():
            others = [each.look for each in ARCHITECTURES.values() if each.name != groups[run_id]]
            assert look.dash not in {other.dash for other in others}
            assert look.shape not in {other.shape for other in others}


def test_references_have_one_form() -> None:
    """Wherever they are drawn: a name with its value, on a rule at that value."""
    references = {"6-gram": 1.5, "far": 9.0}
    frame = pd.DataFrame({"run_id": ["a"], "x": [1.0], "y": [1.4], "series": ["a"]})
    look = {"a": charts.Look("#000", label="a")}
    drawn = [
        charts.loss_chart(
            metrics(9), x="step", x_end=9.0, y_domain=(1.0, 2.0), references=references, color="#0"
        ),
        charts.training_curves({"a": metrics(10)}, look, references=references),
        charts.results_chart(
            frame, look, x="x", y="y", x_title="", y_title="", references=references
        ),
    ]
    for chart in drawn:
        layers = [each for each in chart.to_dict()["layer"] if "values" in each.get("data", {})]
        layers = [each for each in layers if "!(width" not in str(each.get("transform"))]  # phones
        rules = [each for each in layers if "strokeDash" in each["mark"]]
        texts = [each for each in layers if each["mark"]["type"] == "text"]
        assert [row["y"] for layer in rules for row in layer["data"]["values"]] == [1.5]
        written = [list(row.values()) for layer in texts for row in layer["data"]["values"]]
        assert sum("6-gram 1.50" in row for row in written) == 1
        assert not any("far" in str(row) for row in written)
    assert charts.labelled({"6-gram": 1.5}, sign=-1) == {"6-gram −1.50": -1.5}
    assert list(charts.labelled({"a": 0.0, "b": 0.004}, sign=-1)) == ["a 0.00", "b 0.00"]


@given(heights=st.lists(st.floats(10, 310), min_size=1, max_size=5), close=st.booleans())
@example(heights=[10.0, 143.0, 164.0, 297.0], close=True)
def test_names_of_lines_lie_on_no_other_name(heights: list[float], close: bool) -> None:
    if close:  # within the height of two lines of text
        heights = [200 + 30 * height / 310 for height in heights[:4]]
    chosen = places(tuple(heights), 325)
    named = [(place.end, at + place.offset) for at, place in zip(heights, chosen, strict=True)]
    for (end, middle), (other_end, other) in itertools.combinations(named, 2):
        assert end != other_end or abs(middle - other) >= TEXT - 0.01


def test_lines_far_apart_are_named_off_a_falling_curve() -> None:
    high, low = places((20.0, 290.0), 325)
    assert (high.end, low.end) == ("right", "left")
    assert places((20.0, 100.0, 290.0), 325) == (high, high, low)  # all below their lines


def test_only_entry_points_set_the_theme() -> None:
    script = """
import altair
before = altair.theme.active
from lm import charts
from lm.architectures import ARCHITECTURES
assert altair.theme.active == before, "importing charts changes those of others"
charts.use_theme()
charts.use_theme()
assert altair.theme.active == "lm"
assert altair.Chart().mark_point().to_dict()["config"]["axisX"] == {"grid": False, "domain": True}
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_unchecking_a_run_takes_its_line_and_nothing_else() -> None:
    runs = {"a": "mlp", "b": "transformer", "c": "transformer"}
    looks = charts.run_looks(runs, {"a": "MLP", "b": "1e10", "c": "1e11"})
    frames = {run_id: metrics(50) for run_id in runs}

    def drawn(shown: dict) -> dict[str, tuple]:
        spec = charts.training_curves(frames, shown, references=REFERENCES).to_dict()
        encoding = spec["layer"][-1]["encoding"]
        color, dash = (encoding[k]["scale"] for k in ("color", "strokeDash"))
        return {
            label: (c, tuple(d))
            for label, c, d in zip(color["domain"], color["range"], dash["range"], strict=True)
        }

    before = drawn(looks)
    after = drawn({run_id: look for run_id, look in looks.items() if run_id != "b"})
    assert before.keys() - after.keys() == {"1e10"}
    assert all(before[label] == look for label, look in after.items())


def test_labels_of_lines_keep_apart_and_inside() -> None:
    values = [1.0, 1.01, 1.02, 1.5, 1.99, 2.0]
    places = spread_out(values, 0.1, 1.0, 2.0)
    assert places == sorted(places)
    assert all(b - a > 0.1 - 1e-9 for a, b in itertools.pairwise(places))
    assert places[3] == 1.5  # one that has room stays
    assert min(places) >= 1.0 - 1e-9
    assert max(places) <= 2.0 + 1e-9


def rungs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "series": ["a", "a", "b"],
            "x": [1e10, 1e11, 1e10],
            "mean": [-2.0, -1.5, -1.9],
            "low": [-2.1, -1.6, -1.9],
            "high": [-1.9, -1.4, -1.9],
            "n": [3, 3, 1],
            "firm": [True, True, False],
        }
    )


def test_the_frontier_has_lines_bands_hollow_dots_and_own_runs() -> None:
    looks = {name: charts.Look("#000", label=name.upper()) for name in "ab"}
    own = [charts.Mark(name="mine", series="b", x=3e10, y=-1.7, note="0.08 worse")]
    spec = charts.frontier_chart(
        rungs(), looks, own, y_title="Log-likelihood", references={"6-gram": -1.45, "far": -5.0}
    ).to_dict()
    kinds = [layer["mark"]["type"] for layer in spec["layer"]]
    assert kinds.count("area") == 1
    assert kinds.count("point") == 3  # firm means, hollow ones, own runs
    hollow = [layer for layer in spec["layer"] if layer["mark"].get("filled") is False]
    assert hollow[0]["transform"] == [{"filter": "!datum.firm"}]
    texts = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    labels = [[row["label"] for row in layer["data"]["values"]] for layer in texts]
    assert labels == [["B"], ["A", "6-gram −1.45"]]  # the line that ends early has its own place
    sentence = charts.describe_frontier(rungs(), looks, own, y_title="Log-likelihood")
    assert "over training FLOPs: A from -2.00 at 1e+10 to -1.50 at 1e+11" in sentence
    assert "1 run of yours" in sentence


def test_one_run_alone_stands_beside_the_best_of_counting() -> None:
    looks = {"b": charts.Look("#000", label="B")}
    own = [charts.Mark(name="mine", series="b", x=1e9, y=-2.07)]
    spec = charts.frontier_chart(
        rungs().iloc[:0], looks, own, y_title="", references={"6-gram": -1.37, "bigram": -2.4}
    ).to_dict()
    texts = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    labels = [row["label"] for layer in texts for row in layer["data"]["values"]]
    assert labels == ["6-gram −1.37"]  # far away, but what any model is held against


def test_smoothing_keeps_the_raw_line() -> None:
    shown = {"a": charts.Look("#000", label="MLP")}
    spec = charts.training_curves({"a": metrics(50)}, shown, smoothing=10).to_dict()
    lines = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert [line["encoding"]["y"]["field"] for line in lines] == ["sampled_val_loss", "smoothed"]


def test_equal_first_steps_are_smoothed_to_equal_first_points() -> None:
    """Whatever comes after them, and with weights that depend on steps and not on rows."""
    short, long = metrics(40), metrics(4000)
    for over in (1, 30, 1000):
        one = charts.smooth(short["train_loss"], short["step"], over)
        other = charts.smooth(long["train_loss"], long["step"], over)
        assert one.tolist() == pytest.approx(other.iloc[:40].tolist(), rel=1e-12)
    losses, steps = pd.Series([4.0, 1.0, 1.0]), pd.Series([1, 11, 21])
    halves = charts.smooth(losses, steps, 10).tolist()  # weights 1, 1/2, 1/4 backwards
    assert halves == pytest.approx([4, (1 + 4 / 2) / 1.5, (1 + 1 / 2 + 4 / 4) / 1.75])


ODD = {
    "none": [],
    "one": [1.5],
    "one of nothing": [0.0],
    "nothing but nothing": [0.0] * 5,
    "the same": [2.5] * 5,
    "almost the same": [1.0, 1.0 + 1e-15],
    "huge": [1.0, 450_687_923.0, 1e15],
    "tiny": [1e-12, 1e-9],
    "no numbers": [math.nan, math.inf],
}


def drawn_axes(part: object) -> list[list[float]]:
    """The ends of every axis that a specification sets itself."""
    if isinstance(part, list):
        return [axis for each in part for axis in drawn_axes(each)]
    if not isinstance(part, dict):
        return []
    own = [part["domain"]] if "type" in part and "domain" in part else []
    numbers = [d for d in own if isinstance(d, list) and all(isinstance(n, float) for n in d)]
    return [*numbers, *(axis for each in part.values() for axis in drawn_axes(each))]


@pytest.mark.parametrize(
    ("xs", "values"),
    [*(("rising", name) for name in ODD), ("the same", "the same"), ("huge", "the same"),
     ("nothing", "one"), ("nothing", "the same")],
)  # fmt: skip
def test_every_chart_draws_odd_data(xs: str, values: str) -> None:
    """Constant, empty, single, zero-valued and huge data: axes have two ends, and ticks."""
    ys = ODD[values]
    n = len(ys)
    at = {"rising": range(1, n + 1), "the same": [7.0] * n, "nothing": [0.0] * n}
    x = pd.Series(at.get(xs, [10.0 ** (6 * i) for i in range(n)]), dtype=float)
    y = pd.Series(ys, dtype=float)
    frame = pd.DataFrame(
        {"step": x, "tokens": x, "flops": x, "seconds": x, "train_loss": y, "sampled_val_loss": y}
    )
    look = {"a": charts.Look("#0072B2", label="a"), "b": charts.Look("#D55E00", label="b")}
    finite = y[np.isfinite(y)]
    references = {"uniform": finite.max(), "unigram": finite.min()} if len(finite) else {}
    rows = pd.DataFrame({"run_id": "a", "x": x, "y": y})
    rung = pd.DataFrame({"x": x, "mean": y, "low": y, "high": y, "n": 1, "firm": False})
    rung = rung[np.isfinite(y) & (x > 0)].assign(series="a")
    band = pd.DataFrame({"flops": x, "mean": y, "low": y, "high": y, "curve": "training"})
    panels = [
        charts.Panel(
            frame=rows.rename(columns={"run_id": "series"}), x_title="", y_title="",
            log_x=log, log_y=log, references=references,
        )
        for log in (True, False)
    ]  # fmt: skip
    drawn = [
        charts.curve_plot(band, color="#0072B2"),
        *charts.spread_plots(panels, look),
        charts.frontier_chart(rung, look, y_title="", references=references),
        charts.time_chart(rung.rename(columns={"x": "seconds", "mean": "y"}), look, [], y_title=""),
    ]
    for log in (True, False):
        drawn += [
            charts.loss_chart(
                frame[np.isfinite(y)], x="seconds", x_end=float(x.max() if n else 0), color="#0",
                y_domain=charts.loss_axis(references), references=references, log_x=log,
            ),
            charts.training_curves({"a": frame}, {"a": look["a"]}, references=references, log_x=log,
                                   smoothing=10),
            charts.results_chart(
                rows, look, x="x", y="y", x_title="", y_title="", log_x=log, joined=True,
                references=references,
            ),
        ]  # fmt: skip
    for chart in drawn:
        for low, high in drawn_axes(chart.to_dict(validate=False)):
            assert math.isfinite(low)
            assert math.isfinite(high)
            assert low < high


def axis_names(spec: dict) -> set[str]:
    """What is written at the ends of lines and beside marks, and not at the left of references."""
    texts = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    return {row["label"] for each in texts for row in each["data"]["values"] if "label" in row}


def legend_of(spec: dict) -> dict | None:
    return spec["layer"][-1]["encoding"]["color"]["legend"]


def test_curves_are_named_at_their_ends_or_in_a_legend() -> None:
    """Names stay near their curves; where they would not, a legend takes them, and the room."""
    few = {name: charts.Look("#0072B2", label=name) for name in ("one", "two", "three")}
    apart = {name: metrics(50).assign(sampled_val_loss=float(i)) for i, name in enumerate(few)}
    spec = charts.training_curves(apart, few).to_dict()
    assert axis_names(spec) == set(few)
    assert "width" in json.dumps(legend_of(spec)["values"])  # on a phone, where names have no room
    many = {f"{i}": charts.Look("#0072B2", label=f"learning_rate {i}") for i in range(9)}
    spec = charts.training_curves(dict.fromkeys(many, metrics(50)), many).to_dict()
    assert axis_names(spec) == set()  # nine names on one point: the outer ones would be far away
    assert "values" not in legend_of(spec)
    assert "range" not in spec["layer"][-1]["encoding"]["x"]["scale"]


def test_runs_of_one_name_are_drawn_alike_and_named_once() -> None:
    looks = {f"{i}": charts.Look("#0072B2", label="MLP" if i else "Linear") for i in range(4)}
    frames = {run_id: metrics(50 + int(run_id)) for run_id in looks}
    spec = charts.training_curves(frames, looks).to_dict()
    assert axis_names(spec) == {"MLP", "Linear"}
    assert spec["layer"][-1]["encoding"]["detail"]["field"] == "run_id"


def test_a_run_with_one_validation_point_is_a_point() -> None:
    look = {"a": charts.Look("#0072B2", label="a")}
    spec = charts.training_curves({"a": metrics(10)}, look).to_dict()
    assert spec["layer"][-1]["mark"]["type"] == "point"
    more = charts.training_curves({"a": metrics(20)}, look).to_dict()
    assert more["layer"][-1]["mark"]["type"] == "line"


def test_marks_are_joined_only_when_asked_to_and_their_names_lie_on_no_other() -> None:
    frame = pd.DataFrame(
        {"run_id": list("abcdefghi"), "flops": [1e9] * 4 + [1.1e9] * 4 + [2e9], "y": 1.5}
    )
    looks = {
        run_id: charts.Look("#0072B2", label=f"a long name, {run_id}") for run_id in frame["run_id"]
    }
    drawing = {"x": "flops", "y": "y", "x_title": "", "y_title": ""}
    spec = charts.results_chart(frame, looks, **drawing).to_dict()
    assert not [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert axis_names(spec) == set()
    assert legend_of(spec) is not None
    spec = charts.results_chart(frame.iloc[[0, 8]], looks, **drawing, joined=True).to_dict()
    assert [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    assert axis_names(spec) == {"a long name, a", "a long name, i"}


def test_every_group_of_a_setting_has_a_look_of_its_own() -> None:
    groups = {f"run{i}": f"learning_rate {i}" for i in range(20)}
    looks = charts.run_looks(groups, groups)
    assert len({(look.color, look.dash) for look in looks.values()}) == 20
    assert len({(look.color, look.shape) for look in looks.values()}) == 20


@pytest.mark.parametrize("page", PAGES)
def test_all_text_of_charts_has_enough_contrast(page: str) -> None:
    """As it is drawn: names in colours, axes and legends, on a light page and on a dark one."""
    import vl_convert

    charts.use_theme()
    names = {f"{i}": charts.Look(color, label=f"name {i}") for i, color in enumerate(COLORS)}
    ends = pd.DataFrame({"run_id": list(names), "x": np.arange(len(names)) * 1.0, "y": 1.5})
    rows = ends.rename(columns={"run_id": "series"})
    line = {"y_title": "y", "references": {"6-gram": 1.4}}
    drawn = [
        charts.results_chart(ends, names, x="x", x_title="x", y="y", **line),
        charts.training_curves(dict.fromkeys(names, metrics(20)), names, references={"a": 1}),
        charts.frontier_chart(
            rows.assign(mean=rows["x"], low=0.0, high=9.0, n=1, firm=False, x=9.0), names, **line
        ),
        charts.loss_chart(
            metrics(9), x="step", x_end=9.0, y_domain=(0.5, 4.3), references=REFERENCES,
            color="#0", before=metrics(5), marked={"your guess": 2.0},
        ),
        *charts.spread_plots(
            [charts.Panel(frame=rows, x_title="x", y_title="y", references={"a": 1.5})], names
        ),
    ]  # fmt: skip
    for chart in drawn:
        spec = {**chart.to_dict(validate=False), "width": 900, "background": page}
        texts = re.findall(r"<text[^>]*>", vl_convert.vegalite_to_svg(spec))
        fills = {fill for text in texts for fill in re.findall(r'fill="(#[0-9a-f]+)"', text)}
        assert len(texts) > 3
        assert all(contrast(fill, page) >= 4.5 for fill in fills), (fills, spec["layer"][0])
        assert not [text for text in texts if "opacity" in text.replace('opacity="1"', "")]


def test_charts_know_the_pages_that_they_are_drawn_on() -> None:
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    assert tuple(theme[kind]["backgroundColor"] for kind in ("light", "dark")) == PAGES
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("x", ["training.flops", "architecture", "bias"])
def test_results_take_numbers_and_names(x: str) -> None:
    frame = pd.DataFrame(
        {
            "run_id": ["a", "b", "c"],
            "training.flops": [1e9, 1e11, 1e12],
            "architecture": ["mlp", "linear", "mlp"],
            "bias": [True, False, True],
            "test_loss": [2.0, 1.5, None],
        }
    )
    looks = charts.run_looks(
        {"a": "mlp", "b": "linear", "c": "mlp"}, {"a": "1", "b": "2", "c": "3"}
    )
    chart = charts.results_chart(
        frame, looks, x=x, y="test_loss", x_title=x, y_title="Test loss", log_x=True
    )
    (rows,) = chart.to_dict()["datasets"].values()
    assert len(rows) == 2  # the one without a result is left out
    if x == "architecture":
        assert [row[x] for row in rows] == ["MLP", "Linear"]  # their titles
    layers = charts.results_chart(
        frame, looks, x=x, y="test_loss", x_title=x, y_title="Test loss",
        references={"far": 9.0, "near": 1.4},
    ).to_dict()["layer"]  # fmt: skip
    assert [row["reference"] for row in layers[1]["data"]["values"]] == ["near 1.40"]
    labels = [row.get("label") for each in layers[2:] for row in each["data"].get("values", [])]
    assert labels == ([] if x != "training.flops" else ["1", "2"])
    sentence = charts.describe_results(frame, looks, y="test_loss", y_title="Test loss", best="min")
    assert sentence == "Test loss of 2 runs; best is 2 with 1.500."


def test_curve_is_described_in_words() -> None:
    sentence = charts.describe_loss(metrics(20), REFERENCES)
    assert "4.00 at step 1" in sentence
    assert "uniform 4.17" in sentence
    assert "nothing recorded" in charts.describe_loss(metrics(1).iloc[:0], {})


def test_charts_need_no_torch() -> None:
    script = "import sys, lm.charts; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_what_time_buys_is_a_line_for_each_series_and_its_answers() -> None:
    looks = {name: charts.Look("#000", label=name.upper()) for name in "ab"}
    points = pd.DataFrame(
        {"series": ["a", "b", "a"], "seconds": [2.0, 5.0, 40.0], "y": [9.0, 7.0, 5.0]}
    )
    answers = [charts.Answer("10 seconds", "b", 5.0, 7.0)]
    spec = charts.time_chart(points, looks, answers, y_title="Perplexity").to_dict()
    axes = [layer["encoding"]["x"].get("axis", {}) for layer in spec["layer"]]
    assert {tuple(axis["values"]) for axis in axes if axis} == {(10,)}  # of all within the lines
    labels = [
        row["label"]
        for layer in spec["layer"]
        if layer["mark"]["type"] == "text"
        for row in layer["data"]["values"]
    ]
    assert sorted(labels) == ["A", "B"]
    sentence = charts.describe_time(answers, looks, y_title="Perplexity")
    assert sentence.endswith("10 seconds: B, 7.00.")
