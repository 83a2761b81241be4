"""How the default recipes do on development texts, and whether more compute ever hurts.

    LM_DATASETS=… python -m bench.texts [--dry-run] [TEXT …]

Trains the default of each budget and writes docs/texts.csv, one row for each run; a run that has a
row is not trained again. Four texts of different size have three seeds and every half decade from
1e9 to 1e12 FLOPs, the others one seed at 1e10 and 1e12. Then it prints, for each text and
architecture, the mean losses beside those of counting, and by how much more compute hurts.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, stdev

from bench.development import TEXTS, development_text
from bench.trained import Job, Table, train_missing
from lm.architectures import ARCHITECTURES
from lm.datasets.counting import ngram

CSV = Path(__file__).parents[1] / "docs" / "texts.csv"
STUDIED = ("tiny_shakespeare, 60k", "python_reference", "tiny_shakespeare", "wikitext-2, 3000k")
HALF_DECADES = (1e9, 3e9, 1e10, 3e10, 1e11, 3e11, 1e12)
SEEDS = (0, 1, 2)
ENDS = (1e10, 1e12)
# the texts of the figure in docs/recipes.md, the shortest first
BY_LENGTH = (
    *(f"tiny_shakespeare, {n}k" for n in (10, 30, 60, 100, 300)),
    "tiny_shakespeare",
    "wikitext-2, 3000k",
    "ptb",
)


def jobs(texts: Iterable[str]) -> Iterator[Job]:
    """What is trained, the cheapest first."""
    for text, name in itertools.product(texts, ARCHITECTURES):
        budgets, seeds = (HALF_DECADES, SEEDS) if text in STUDIED else (ENDS, SEEDS[:1])
        for budget, seed in itertools.product(budgets, seeds):
            yield Job(text, name, budget, seed)


def report(table: Table, wanted: Iterable[Job], texts: Iterable[str]) -> Iterator[str]:
    """A line for each text and architecture: means, and by how much more compute hurts at most."""
    by_recipe: dict[tuple[str, str], dict[float, list[float]]] = {}
    for job in wanted:
        of_recipe = by_recipe.setdefault((job.text, job.architecture), {})
        of_recipe.setdefault(job.budget, []).append(float(table.rows[job]["validation"]))
    for text in texts:
        corpus = development_text(text)
        order = ngram.order_for(corpus.tokenizer.vocab_size)
        counting = ngram.evaluate(corpus, order)["valid"].loss
        yield f"{text}: {corpus.train.n_tokens:,} tokens, {order}-gram {counting:.3f}"
        for name in ARCHITECTURES:
            losses = dict(sorted(by_recipe.get((text, name), {}).items()))
            means = "  ".join(f"{budget:.0e} {mean(each):.3f}" for budget, each in losses.items())
            yield f"  {name:12} {means}  hurts by {worst(losses):.3f}"


def worst(losses: dict[float, list[float]]) -> float:
    """By how much a budget ends above the best smaller one, beyond two standard errors; or 0."""
    found, best = 0.0, float("inf")
    for each in losses.values():
        error = stdev(each) / len(each) ** 0.5 if len(each) > 1 else 0.0
        found = max(found, mean(each) - best - 2 * error)
        best = min(best, mean(each))
    return found


def main() -> None:
    """Train what is missing, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("texts", nargs="*", metavar="TEXT", help=", ".join(TEXTS))
    parser.add_argument("--dry-run", action="store_true", help="only say how long it would take")
    options = parser.parse_args()
    texts = options.texts or list(TEXTS)
    table, wanted = Table.read(CSV), list(jobs(texts))
    if train_missing(wanted, table, options.dry_run):
        print("\n".join(report(table, wanted, texts)))


if __name__ == "__main__":
    main()
