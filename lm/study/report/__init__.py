"""The report, docs/report.md: a page that a student can read, then every section.

Its text stands in `report.md.j2`, the sentences that figures share with it in `sections` and
`hyperparameters`. The numbers come from run folders, except those of the published versions. A
difference is claimed only where the intervals of several seeds are apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import jinja2

from lm.base.flops import flops_text
from lm.base.wording import listed
from lm.datasets import DATASETS
from lm.runs import RunStore, forecast
from lm.study.published import PUBLISHED_RATES
from lm.study.report import hyperparameters, sections
from lm.study.report.samples import SAMPLING, samples
from lm.study.report.sentences import sentences
from lm.study.report.tables import tables
from lm.study.results import Results
from lm.study.sections import ARCHITECTURES, CHARACTERS, SECTIONS, WORDS

__all__ = ["report", "sentences", "tables"]


def report(results: Results, store: RunStore, made: Collection[str]) -> str:
    """The whole report, as Markdown. `made`: the names of the figures that exist."""

    def figure(name: str, alt: str) -> str:
        return f"![{alt}](../figures/{name}.png)" if name in made else ""

    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {
        "listed": listed,
        "title_of": lambda dataset: DATASETS[dataset].title,
        "flops_text": flops_text,
    }
    runs = results.frame.drop_duplicates("run_id")
    failed = runs[runs["state"] == "failed"]["run_id"]
    words = [sections.words(results, name) for name in WORDS]
    text = jinja.get_template("report.md.j2").render(
        figure=figure,
        table=_table,
        ARCHITECTURES=ARCHITECTURES,
        SECTIONS=SECTIONS,
        study=results.study,
        scale=results.study.scale,
        text=DATASETS[CHARACTERS].title if CHARACTERS in results.study.corpora else "",
        corpora_of_words=[name for name in WORDS if name in results.study.corpora],
        n_runs=f"{len(runs):,}",
        flops=runs["flops"].sum(),
        time=forecast.in_words(runs["seconds"].sum()),
        frontier=sections.frontier(results),
        transformer_leads=sections.who_leads(results, "transformer", ARCHITECTURES[:-1]),
        attention_leads=sections.who_leads(results, "attention", ["mlp"]),
        siblings=sections.siblings(results),
        context=hyperparameters.context(results),
        settings=hyperparameters.settings(results),
        rate=hyperparameters.rate(results),
        published_rates=listed(f"{loss:.2f} at {rate:g}" for rate, loss in PUBLISHED_RATES.items()),
        longer_contexts=hyperparameters.longer_contexts(results),
        knobs=hyperparameters.groups(results),
        objective=sections.objective(results),
        meter=sections.meter(results),
        tokenizers=sections.tokenizers(results),
        words=[corpus for corpus in words if corpus],
        sampling=SAMPLING,
        samples=samples(results, store),
        search=sections.search(results),
        failures={run_id: store.get(run_id).reason for run_id in failed},
    )
    return _single_blank_lines(text)


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; the first column is text, the others numbers."""
    lines = ["| " + " | ".join(heading) + " |", "|---|" + "--:|" * (len(heading) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def _single_blank_lines(text: str) -> str:
    """The text with one empty line between blocks, except inside samples, which stay as written."""
    parts = re.split(r"(^```.*?^```$)", text.strip(), flags=re.MULTILINE | re.DOTALL)
    for place in range(0, len(parts), 2):  # every other part is a sample
        lines = re.sub(r" +$", "", parts[place], flags=re.MULTILINE)
        parts[place] = re.sub(r"\n{3,}", "\n\n", lines)
    return "".join(parts) + "\n"
