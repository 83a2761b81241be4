"""The report, docs/report.md: a page that a student can read, then every section.

The sentences stand in `templates/`; the numbers in them come from run folders, except those of
the published versions. A difference is claimed only where the intervals of several seeds are
apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from lm.runs import RunStore, forecast
from lm.study.report import findings, sections, takeaways
from lm.study.report.environment import environment
from lm.study.report.samples import samples
from lm.study.report.sentences import sentences
from lm.study.report.tables import tables
from lm.study.results import Results
from lm.study.sections import CHARACTERS, WORDS

__all__ = ["report", "sentences", "tables"]


def report(results: Results, store: RunStore, made: Collection[str]) -> str:
    """The whole report, as Markdown. `made`: the names of the figures that exist."""

    def figure(name: str, alt: str) -> str:
        return f"![{alt}](../figures/{name}.png)" if name in made else ""

    template = environment().get_template("report.md.j2")
    text = template.render(
        figure=figure,
        study=results.study,
        scale=results.study.scale,
        characters=CHARACTERS in results.study.corpora,
        corpora_of_words=[name for name in WORDS if name in results.study.corpora],
        head=_head(results),
        findings=findings.findings(results),
        takeaways=takeaways.takeaways(results),
        sections=sections.sections(results),
        samples=samples(results, store),
        failures=_failures(results, store),
    )
    return _single_blank_lines(text)


def _single_blank_lines(text: str) -> str:
    """The text with one empty line between blocks, except inside samples, which stay as written."""
    parts = re.split(r"(^```.*?^```$)", text.strip(), flags=re.MULTILINE | re.DOTALL)
    for place in range(0, len(parts), 2):  # every other part is a sample
        lines = re.sub(r" +$", "", parts[place], flags=re.MULTILINE)
        parts[place] = re.sub(r"\n{3,}", "\n\n", lines)
    return "".join(parts) + "\n"


def _head(results: Results) -> dict[str, object]:
    frame = results.frame.drop_duplicates("run_id")
    return {
        "n_runs": len(frame),
        "flops": frame["flops"].sum(),
        "time": forecast.in_words(frame["seconds"].sum()),
    }


def _failures(results: Results, store: RunStore) -> list[dict[str, object]]:
    """Runs that failed, with the reason of each."""
    frame = results.frame.drop_duplicates("run_id")
    return [
        {"run_id": run_id, "reason": store.get(run_id).reason}
        for run_id in frame[frame["state"] == "failed"]["run_id"]
    ]
