"""The study's figures as they are committed for the page: each has its charts and its sentence."""

import json
import math
import re
from pathlib import Path
from statistics import fmean

import pytest

from lm.study.titles import title

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "figures"
NAMES = sorted(path.stem for path in FOLDER.glob("*.svg"))
REPORT = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")


def figure(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def rows(name: str, plot: int = 0) -> list[dict]:
    """The data of a plot, from all of its layers."""
    data = figure(name)["plots"][plot]["spec"]["datasets"]
    return [row for part in data.values() for row in part]


def means(name: str, plot: int = 0) -> dict[tuple[str, object], float]:
    """(series, x) -> what the plot draws as its mean."""
    return {(row["series"], row["x"]): row["mean"] for row in rows(name, plot) if "n" in row}


def numbers(text: str) -> list[float]:
    """The numbers with decimals in a text, except what stands behind ±."""
    found = re.findall(r"(?<!± )(?<![\w.])−?[\d,]+\.\d+(?![\w])", text)
    return [float(number.replace("−", "-").replace(",", "")) for number in found]


def close(value: float, decimals: int = 3):
    return pytest.approx(value, abs=0.51 * 10**-decimals + 2e-4)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_its_charts_and_its_sentence(name):
    shown = figure(name)
    assert shown["title"] == title(name)
    assert re.search(r"\d", shown["sentence"])
    assert shown["plots"]
    for plot in shown["plots"]:
        assert plot["spec"]["width"] == "container"  # of the page, and not of print
        assert "title" not in plot["spec"]
        assert "background" not in plot["spec"]["config"]
        assert plot["spec"]["datasets"]


def test_all_figures_together_are_small():
    files = list(FOLDER.glob("*.json"))
    assert len(files) == len(NAMES) >= 19
    assert sum(path.stat().st_size for path in files) < 400_000


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("curves-")])
def test_sentences_are_those_of_the_report(name):
    shown = figure(name)
    for plot in shown["plots"]:
        for sentence in plot["sentences"]:
            assert re.sub(r"^\w+: ", "", sentence) in REPORT
    if not any(plot["sentences"] for plot in shown["plots"]):
        assert shown["sentence"].removeprefix("The learning rate ") in REPORT


def test_the_frontier_says_who_leads_at_which_score():
    shown, drawn = figure("frontier"), means("frontier")
    (first, leader, score, perplexity), (last, later, later_score, later_perplexity) = re.findall(
        r"At (\S+) FLOPs (?:it is )?(\w+) (?:has the best mean on test, |with )−([\d.]+) ± [\d.]+"
        r"(?: nats per character)?, a perplexity of ([\d.]+)",
        shown["sentence"],
    )
    for budget, name, value, exp in (
        (first, leader, score, perplexity),
        (last, later, later_score, later_perplexity),
    ):
        at = {series: mean for (series, x), mean in drawn.items() if x == float(budget)}
        assert max(at, key=lambda series: at[series]) == name
        assert at[name] == close(-float(value))
        assert math.exp(-at[name]) == close(float(exp), 1)


@pytest.mark.parametrize("name", NAMES)
def test_what_validation_chooses_is_drawn_at_its_score_and_its_distances(name):
    for number, plot in enumerate(figure(name)["plots"]):
        drawn = {(series, str(x)): mean for (series, x), mean in means_or_none(name, number)}
        for sentence in plot["sentences"]:
            series = re.match(r"(\w+): ", sentence)
            series = series[1] if series else next(iter(drawn))[0]
            of_series = {numeral(x): mean for (each, x), mean in drawn.items() if each == series}
            ((choice, score),) = re.findall(r"validation chooses (\S+): −([\d.]+)", sentence)
            assert of_series[numeral(choice)] == close(-float(score))
            beaten = re.findall(r"(\S+) by ([\d.]+) ±", sentence)
            for other, gap in beaten:
                assert abs(of_series[numeral(choice)] - of_series[numeral(other)]) == close(
                    float(gap)
                )


def means_or_none(name: str, plot: int):
    return means(name, plot).items() if "series" in rows(name, plot)[0] else ()


def numeral(text: str) -> str:
    """One way of writing a value: 8 and 8.0 are the same."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("curves-")])
def test_curves_say_where_they_end(name):
    ends = {}
    for row in sorted((row for row in rows(name) if "curve" in row), key=lambda row: row["flops"]):
        ends[row["curve"]] = row
    end, training = ends["validation, sampled"], ends["training"]["mean"]
    several = [end["low"], end["high"]] if "seeds" in figure(name)["sentence"] else []
    assert numbers(figure(name)["sentence"]) == [
        close(value) for value in (end["mean"], *several, training)
    ]


@pytest.mark.parametrize("name", ["frontier-ptb", "frontier-wikitext-2"])
def test_perplexities_of_words_are_those_of_the_first_and_the_last_run(name):
    drawn = [mean for _, mean in sorted(means(name, 1).items())]
    first, last, guess = numbers(figure(name)["sentence"])
    assert [first, last] == [close(drawn[0], 1), close(drawn[-1], 1)]
    spec = json.dumps(figure(name)["plots"][0]["spec"], ensure_ascii=False)
    lines = [float(value) for value in re.findall(r'"reference": "[^"]+", "y": (-[\d.]+)', spec)]
    assert math.exp(-max(lines)) == pytest.approx(guess, abs=0.1)


def test_tokenizers_meter_objective_and_rates_say_what_is_drawn():
    bits = {x: mean for (series, x), mean in means("tokenizers").items() if series == "1e12 FLOPs"}
    best = min(bits, key=lambda name: bits[name])
    assert f"lowest for {best}," in figure("tokenizers")["sentence"]
    assert numbers(figure("tokenizers")["sentence"]) == [
        close(bits[name]) for name in (best, "char", "word")
    ]
    theirs = [mean for (series, _), mean in means("naive-flops").items() if "128" in series]
    assert numbers(figure("naive-flops")["sentence"]) == [
        close(min(theirs), 2),
        close(max(theirs), 2),
    ]
    drawn = means("naive-objective")
    for gap, name in re.findall(
        r"([\d.]+) ± [\d.]+ nats better for (\w+)", figure("naive-objective")["sentence"]
    ):
        assert drawn["all positions", name] - drawn["last position only", name] == close(float(gap))
    rates = [
        mean for (series, _), mean in means("learning-rate").items() if series == "transformer"
    ]
    assert numbers(figure("learning-rate")["sentence"])[0] == close(max(rates) - min(rates), 2)


def test_data_of_a_plot_are_those_of_its_runs():
    """A mean is that of its dots, and lies between the ends of its bar."""
    for name in ("frontier", "tokenizers", "learning-rate"):
        dots: dict[tuple, list[float]] = {}
        for row in rows(name):
            if "y" in row and "series" in row:
                dots.setdefault((row["series"], row["x"]), []).append(row["y"])
        for row in rows(name):
            if row.get("n", 0) > 1:
                assert row["mean"] == close(fmean(dots[row["series"], row["x"]]))
                assert row["low"] <= row["mean"] <= row["high"]
