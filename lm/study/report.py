"""docs/report.md: tables, figures, samples and conclusions, all from run folders.

No number is typed here but those of the published versions (`sections.PUBLISHED`). A sentence
that claims a difference is written only where the intervals of several seeds are apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import pandas as pd

from lm.architectures import ARCHITECTURES
from lm.charts import LEAST_SEEDS
from lm.datasets import DATASETS
from lm.runs import RunStore, forecast
from lm.study.figures import Results, flops_in_words, meter_rows, words
from lm.study.results import Interval, difference, signed
from lm.study.sections import (
    ALL_POSITIONS,
    CHARACTERS,
    KNOBS,
    LAST_POSITION,
    PUBLISHED,
    PUBLISHED_RATES,
    SECTIONS,
    WORDS,
    Knob,
    Published,
)
from lm.writing.generation import generate, prompt_ids, text_pieces
from lm.writing.loading import load_decoder
from lm.writing.sampling import Sampling

PROMPTS = {
    CHARACTERS: "HAMLET:",
    "ptb": "the school announced that",
    "wikitext-2": "The history of machine learning begins",
}
SAMPLE_TOKENS = {CHARACTERS: 320, "ptb": 60, "wikitext-2": 60}
SAMPLING = Sampling(temperature=0.8, seed=0)
BETTER = "log_likelihood"


def report(results: Results, store: RunStore, made: Collection[str]) -> str:
    """The whole report. `made`: the figures that exist."""
    writer = _Report(results, store, made)
    parts: list[Callable[[], Iterable[str]]] = [
        writer.head,
        writer.takeaways,
        writer.siblings,
        writer.frontier,
        writer.search,
        writer.knobs,
        writer.naive,
        writer.tokenizers,
        writer.words,
        writer.samples,
        writer.failures,
    ]
    return "\n\n".join(block for part in parts for block in part()) + "\n"


# --- words for numbers ------------------------------------------------------------------------


def power(flops: float) -> str:
    """FLOPs to three digits."""
    return flops_in_words(flops, 3)


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown; the first column is words, the others numbers."""
    lines = ["| " + " | ".join(heading) + " |", "|---|" + "--:|" * (len(heading) - 1)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def listed(items: Iterable[object], last: str = "and") -> str:
    """a, b and c"""
    words = [str(item) for item in items]
    return (
        f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
    )


def intervals(rows: pd.DataFrame, by: str, column: str = BETTER) -> dict[object, Interval]:
    """Group -> the interval of a column over its seeds."""
    return {key: Interval.of(group[column].tolist()) for key, group in rows.groupby(by, sort=False)}


def against_others(leader: object, found: Mapping[object, Interval], unit: str) -> str:
    """ "a beats b by 0.05 ± 0.01 nats; no difference is shown from c" """
    gaps = {
        name: difference(interval, found[leader])
        for name, interval in found.items()
        if name != leader
    }
    ahead = [f"{name} by {gap}" for name, gap in gaps.items() if gap.shown and gap.mean > 0]
    behind = [f"{name} by {gap}" for name, gap in gaps.items() if gap.shown and gap.mean < 0]
    doubtful = [name for name, gap in gaps.items() if not gap.shown]
    verbs = [
        f"{verb} {listed(names)} {unit}"
        for verb, names in (("beats", ahead), ("is behind", behind))
        if names
    ]
    clauses = [f"{leader} {listed(verbs)}"] if verbs else []
    if doubtful:
        between = "from" if verbs else f"between {leader} and"
        clauses.append(f"no difference is shown {between} {listed(doubtful, 'or')}")
    return "; ".join(clauses)


def few_seeds(found: Mapping[object, Interval]) -> bool:
    """Whether an interval rests on too few seeds to claim anything."""
    return any(interval.n < LEAST_SEEDS for interval in found.values())


ONE_SEED = "Fewer than three seeds, so no difference is claimed."

# --- the parts ----------------------------------------------------------------------------------


class _Report:
    def __init__(self, results: Results, store: RunStore, made: Collection[str]) -> None:
        self.results, self.store, self.made = results, store, made
        self.study, self.scale = results.study, results.study.scale
        self.characters = CHARACTERS in self.study.corpora

    def figure(self, name: str, words: str) -> Iterable[str]:
        if name in self.made:
            yield f"![{words}](../figures/{name}.png)"

    def head(self) -> Iterable[str]:
        frame = self.results.frame.drop_duplicates("run_id")
        flops, seconds = frame["flops"].sum(), frame["seconds"].sum()
        yield "# Small language models under compute constraints: the study"
        yield (
            f"Written by `python -m lm study --scale {self.scale.name}` from the folders of "
            f"{len(frame):,} runs: {power(flops)} training FLOPs, {forecast.in_words(seconds)} of "
            "training on one processor. Every number below is read from them; only the published "
            "results that they are compared with are quoted."
        )
        if self.study.absent:
            yield (
                f"**Left out, for the text is not here:** "
                f"{listed(DATASETS[name].title for name in self.study.absent)}. "
                "`datasets/README.md` says where each comes from."
            )
        yield (
            "Losses are nats per token over whole splits, every token scored once; log-likelihood "
            "is the negative. FLOPs are those of forward, backward and optimizer "
            "([flops.md](flops.md)). Validation chooses and test reports: learning rates and best "
            "values are chosen by code that has no test results to look at. ± is a 95 % "
            "confidence interval (Student's t) over seeds. A difference is claimed where there "
            "are three seeds or more on both sides and the two intervals are apart; its ± adds "
            "theirs in squares. Dots are runs, bars reach from the lowest to the highest seed, "
            "and means of fewer than three seeds are hollow."
        )

    # conclusions

    def takeaways(self) -> Iterable[str]:
        if not self.characters:
            return
        yield "## The coursework's takeaways, under equal budgets"
        items = [
            *self._transformer_is_best(),
            *self._attention_against_mlp(),
            *self._context_helps(),
            *self._rate_is_worth(),
            *self._words_cost(),
        ]
        yield "\n".join(f"- {item}" for item in items)

    def _by_budget(self) -> dict[float, dict[object, Interval]]:
        rows = self.results.section("frontier")
        return {
            float(budget): intervals(group, "architecture")
            for budget, group in sorted(rows.groupby("value"))
        }

    def _verdicts(self, first: str, others: Sequence[str]) -> dict[str, list[str]]:
        """Budgets at which `first` is ahead of all others, behind one, or neither is shown."""
        verdicts: dict[str, list[str]] = {"ahead": [], "behind": [], "open": []}
        for budget, found in self._by_budget().items():
            if few_seeds(found) or first not in found:
                continue
            gaps = {name: difference(found[name], found[first]) for name in others if name in found}
            worst = min(gaps, key=lambda name: gaps[name].mean)
            behind = gaps[worst].shown and gaps[worst].mean < 0
            if behind:
                verdicts["behind"].append(f"at {power(budget)} ({worst}, by {gaps[worst]} nats)")
            elif all(gap.shown for gap in gaps.values()):
                verdicts["ahead"].append(f"at {power(budget)} (by {gaps[worst]} nats over {worst})")
            else:
                verdicts["open"].append(f"at {power(budget)}")
        return verdicts

    def _transformer_is_best(self) -> Iterable[str]:
        verdicts = self._verdicts("transformer", ["linear", "mlp", "attention"])
        if not any(verdicts.values()):
            return
        claim = "*“Transformer-based models achieved the best test log-likelihood … at a higher "
        claim += "compute cost.”* At equal training FLOPs "
        yield claim + self._verdict_words(
            verdicts,
            "the transformer is ahead of every other architecture",
            "another architecture is ahead of the transformer",
            "no architecture is shown to lead or the transformer shares the lead",
        )

    def _attention_against_mlp(self) -> Iterable[str]:
        verdicts = self._verdicts("attention", ["mlp"])
        if not any(verdicts.values()):
            return
        claim = (
            "*Attention dominates the MLP per FLOP* (a published version's finding, on an axis of "
        )
        claim += "parameters × tokens). On counted FLOPs "
        yield claim + self._verdict_words(
            verdicts,
            "attention is ahead of the MLP",
            "the MLP is ahead of attention",
            "no difference is shown",
        )

    @staticmethod
    def _verdict_words(verdicts: dict[str, list[str]], ahead: str, behind: str, open_: str) -> str:
        clauses = []
        for key, verdict in (("ahead", ahead), ("behind", behind), ("open", open_)):
            if verdicts[key]:
                clauses.append(f"{verdict} {listed(verdicts[key])}")
        if not verdicts["ahead"]:
            holds = "**does not hold**" if verdicts["behind"] else "is **not shown**"
        else:
            partly = verdicts["behind"] or verdicts["open"]
            holds = "**holds in part**" if partly else "**holds**"
        return f"{'; '.join(clauses)}. It {holds}."

    def _context_helps(self) -> Iterable[str]:
        for architecture in ("linear", "mlp"):
            rows = self.results.section("knobs", "context-length/context")
            rows = rows[rows["architecture"] == architecture]
            chosen = self.results.chosen.get(("context-length/context", architecture))
            found = intervals(rows, "value")
            if len(found) < 2 or chosen is None:
                continue
            best, first, last = chosen.value, min(found), max(found)
            claim = (
                f"*“Context length helped simpler models up to a point.”* {architecture}, "
                f"{power(self.scale.knob_budget)} FLOPs: of {listed(sorted(found))} tokens, "
                f"validation chooses {best}. "
            )
            if few_seeds(found):
                yield claim + ONE_SEED
                continue
            helped, hurt = (difference(found[end], found[best]) for end in (first, last))
            clauses = []
            if best != first:
                shown = f"{helped} nats" if helped.shown and helped.mean > 0 else "not shown"
                clauses.append(f"the gain on test over {first} is {shown}")
            if best != last:
                shown = f"{hurt} nats" if hurt.shown and hurt.mean > 0 else "not shown"
                clauses.append(f"the loss on test from there to {last} is {shown}")
            up = best != first and helped.shown and helped.mean > 0
            down = best != last and hurt.shown and hurt.mean > 0
            verdict = (
                "It **holds**."
                if up and down
                else "**Longer only hurts** at this budget."
                if down and best == first
                else "It is **not shown** whole."
            )
            yield claim + f"{listed(clauses).capitalize()}. {verdict}"

    def _rate_is_worth(self) -> Iterable[str]:
        rates = self._rates("transformer", self.scale.knob_budget)
        means = rates.groupby("factor")[BETTER].mean()
        ranges = {}
        for knob in KNOBS:
            rows = self.results.section("knobs", knob.family)
            rows = rows[rows["architecture"] == "transformer"]
            by_value = rows.groupby("value")[BETTER].mean() if len(rows) else means[:0]
            if len(by_value) > 1 and knob.figure in ("transformer-shape", "context-length"):
                ranges[knob.title] = by_value.max() - by_value.min()
        if len(means) < 2 or not ranges:
            return
        largest = max(ranges, key=lambda title: ranges[title])
        coursework = listed(f"{loss:.2f} at {rate:g}" for rate, loss in PUBLISHED_RATES.items())
        yield (
            f"*The learning rate* moves the transformer's test log-likelihood by "
            f"{means.max() - means.min():.2f} nats over the rates tried "
            f"({rates['rate'].min():g} to {rates['rate'].max():g}); of the shape, "
            f"{largest} moves it most, by {ranges[largest]:.2f} over the values tried. "
            f"(A published version, validation: {coursework}.)"
        )

    def _words_cost(self) -> Iterable[str]:
        rows = self.results.section("tokenizers")
        if rows.empty:
            return
        budget = rows["value"].max()
        rows = rows[rows["value"] == budget]
        found = intervals(rows.assign(negative=-rows["bits_per_char"]), "name", "negative")
        if not {"char", "word"} <= set(found):
            return
        one = rows.drop_duplicates("name").set_index("name")
        claim = (
            "*“Scaling from character to word tokenization increases vocabulary size "
            "substantially, impacting both compute and quality.”* On one text at "
            f"{power(budget)} FLOPs the vocabulary goes from "
            f"{one.vocab_size['char']:,} to {one.vocab_size['word']:,} tokens and the share of "
            f"the output layer in the FLOPs from {one.head_share['char']:.0%} to "
            f"{one.head_share['word']:.0%}. In bits per character, "
        )
        if few_seeds(found):
            yield claim + ONE_SEED[0].lower() + ONE_SEED[1:]
        else:
            yield claim + f"{against_others('char', found, 'bits')}."

    # tables

    def siblings(self) -> Iterable[str]:
        cells = [cell for published in PUBLISHED if (cell := self._sibling(published))]
        if not cells:
            return
        yield f"## {SECTIONS['siblings']}"
        yield (
            "Two published versions of this coursework (github.com/shivraj-S-bhatti, arXiv "
            "2512.20877, and github.com/sagnikc395) trained the same models. Against each result "
            "of the first stands the run of this study that is best on validation among those "
            "that took no more than its true FLOPs (replayed with PyTorch's counter). Their test "
            "is the first 10,000 windows of the same text, ours all of it; for words theirs has "
            "no `<eos>`. The last column is the least budget of this study whose test loss is "
            "below theirs."
        )
        yield table(
            [
                "",
                "theirs",
                "ours",
                "their FLOPs",
                "our FLOPs",
                "theirs / ours",
                "below theirs from",
            ],
            cells,
        )

    def _sibling(self, published: Published) -> list[str] | None:
        chosen = self.results.chosen.get((published.name, published.architecture))
        rows = self.results.section("siblings", published.name)
        if chosen is None or rows.empty:
            return None
        losses = intervals(rows, "value", "test_loss")
        flops = rows[rows["value"] == chosen.value]["flops"].mean()
        enough = [budget for budget in sorted(losses) if losses[budget].mean < published.test_loss]
        return [
            published.name,
            f"{published.test_loss:.3f}",
            f"**{losses[chosen.value]}**",
            power(published.flops),
            power(flops),
            f"{published.flops / flops:.3g}×",
            power(enough[0]) if enough else "never",
        ]

    def frontier(self) -> Iterable[str]:
        if not self.characters:
            return
        yield f"## {SECTIONS['frontier']}"
        yield from self.figure("frontier", "Test log-likelihood against training FLOPs")
        by_budget = self._by_budget()
        yield "Test log-likelihood, nats per character:"
        yield table(
            ["architecture", *(power(budget) for budget in by_budget)],
            [
                [name, *(str(found.get(name, "")) for found in by_budget.values())]
                for name in ARCHITECTURES
            ],
        )
        lines = []
        for budget, found in by_budget.items():
            if few_seeds(found):
                lines.append(f"- {power(budget)} FLOPs: {ONE_SEED}")
                continue
            leader = max(found, key=lambda name: found[name].mean)
            lines.append(f"- {power(budget)} FLOPs: {against_others(leader, found, 'nats')}.")
        yield "\n".join(lines)
        yield "### Training and validation curves"
        for architecture in ARCHITECTURES:
            rows = self.results.section("frontier", architecture)
            yield from self.figure(f"curves-{architecture}", f"Loss of {architecture} in training")
            if len(rows):
                yield (
                    f"*{architecture}: the mean over seeds, in the band from the lowest to the "
                    "highest seed.*"
                )

    def _rates(self, key: str, budget: float) -> pd.DataFrame:
        rows = self.results.all_of("search", key)
        return rows[(rows["value"] == budget) & rows["test_loss"].notna()]

    def search(self) -> Iterable[str]:
        rows = self.results.all_of("search").drop_duplicates(["run_id"])
        if rows.empty:
            return
        whole = self.results.frame.drop_duplicates("run_id")["flops"].sum()
        yield f"## {SECTIONS['search']}"
        yield (
            f"Learning rates were chosen on validation before anything was compared: "
            f"{len(rows):,} runs, {power(rows['flops'].sum())} FLOPs, "
            f"{rows['flops'].sum() / whole:.1%} of all that the study spent. No budget below "
            "includes them. A budget that was not searched takes the factor of the next lower "
            "one that was. (edge): the best of the rates that were tried is the largest or the "
            "smallest of them. The recipes that the factors multiply (sizes, batches, base rates) "
            "were found before the study, on validation too; those trials are not counted."
        )
        yield from self.figure("learning-rate", "Test log-likelihood against learning rate")
        cells = []
        for (name, budget), group in self.results.all_of("search").groupby(
            ["name", "value"], sort=False
        ):
            chosen = group[group["counts"]]
            if chosen.empty:
                continue
            edge = len(set(group["factor"])) > 2 and chosen["factor"].iloc[0] in (
                group["factor"].min(),
                group["factor"].max(),
            )
            cells.append(
                [
                    name,
                    power(budget),
                    listed(f"{rate:.3g}" for rate in sorted(set(group["rate"]))).replace(
                        " and", ","
                    ),
                    f"{chosen['rate'].iloc[0]:.3g}{' (edge)' if edge else ''}",
                    f"{chosen['val_loss'].mean():.3f}",
                    power(group.drop_duplicates("run_id")["flops"].sum()),
                ]
            )
        yield table(["", "budget", "rates tried", "chosen", "validation loss", "FLOPs"], cells)

    def knobs(self) -> Iterable[str]:
        if not self.characters:
            return
        yield f"## {SECTIONS['knobs']}"
        yield (
            f"Each at {power(self.scale.knob_budget)} training FLOPs (optimizer and dropout: "
            f"{power(self.scale.large_knob_budget)}), so a larger model or a longer context takes "
            "fewer steps. Where a setting shifts the best learning rate (schedule, optimizer, "
            "batch size, tying) each value has its own, chosen on validation."
        )
        for name in dict.fromkeys(knob.figure for knob in KNOBS):
            yield f"### {name.replace('-', ' ').capitalize()}"
            yield from self.figure(name, f"Test log-likelihood: {name.replace('-', ' ')}")
            for knob in (knob for knob in KNOBS if knob.figure == name):
                yield from self._knob(knob)

    def _knob(self, knob: Knob) -> Iterable[str]:
        name, lines = knob.family, []
        for architecture in knob.values:
            rows = self.results.section("knobs", name)
            rows = rows[rows["architecture"] == architecture]
            found = intervals(rows, "value")
            chosen = self.results.chosen.get((name, architecture))
            if len(found) < 2 or chosen is None:
                continue
            numbers = ", ".join(f"{value}: {interval}" for value, interval in found.items())
            claim = ONE_SEED
            if not few_seeds(found):
                claim = f"On test {against_others(chosen.value, found, 'nats')}."
            lines.append(
                f"- **{knob.title}, {architecture}.** {numbers}. Validation chooses "
                f"{chosen.value}. {claim}"
            )
        if lines:
            yield "\n".join(lines)

    def naive(self) -> Iterable[str]:
        if not self.characters:
            return
        yield f"## {SECTIONS['naive']}"
        yield from self._objective()
        yield "### Parameters × tokens against the meter"
        yield (
            "The published axis was 2 × parameters × windows × their length. A window model reads "
            "each window once and not once per token of it, an embedding that is looked up costs "
            "no product, a backward pass costs twice a forward one, and attention has products "
            "that no parameter stands for."
        )
        yield from self.figure("naive-flops", "Parameters × tokens over counted FLOPs")
        cells = [
            [
                f"{run.architecture}, {run.setup}",
                f"{run.n_params:,}",
                power(run.formula),
                power(run.flops),
                f"{run.ratio:.2f}×",
            ]
            for run in meter_rows(self.results).itertuples()
        ]
        yield table(["", "parameters", "formula", "counted", "formula / counted"], cells)

    def _objective(self) -> Iterable[str]:
        yield "### The last position only, or all of them"
        yield from self.figure("naive-objective", "Learning from all positions or the last")
        cells, lines = [], []
        rows = self.results.section("naive", "objective")
        classic = self.results.section("naive", "classic")
        frontier = self.results.section("frontier")
        for architecture in ARCHITECTURES:
            found = intervals(rows[rows["architecture"] == architecture], "value")
            if set(found) != {ALL_POSITIONS, LAST_POSITION}:
                continue
            original = classic[classic["architecture"] == architecture][BETTER].tolist()
            modern = frontier[
                (frontier["architecture"] == architecture)
                & (frontier["value"] == self.scale.classic_budget)
            ][BETTER].tolist()
            cells.append(
                [
                    architecture,
                    str(found[ALL_POSITIONS]),
                    str(found[LAST_POSITION]),
                    str(Interval.of(original)) if original else "",
                    str(Interval.of(modern)) if modern else "",
                ]
            )
            if few_seeds(found):
                lines.append(f"- {architecture}: {ONE_SEED}")
                continue
            gap = difference(found[LAST_POSITION], found[ALL_POSITIONS])
            lines.append(
                f"- {architecture}: learning from all positions is "
                f"{'better' if gap.mean > 0 else 'worse'} by {gap} nats at equal FLOPs."
                if gap.shown
                else f"- {architecture}: no difference is shown."
            )
        budget, classic_budget = power(self.scale.knob_budget), power(self.scale.classic_budget)
        yield table(
            [
                f"test log-likelihood at {budget}",
                "all positions",
                "last position",
                f"the coursework's setup, {classic_budget}",
                f"ours, {classic_budget}",
            ],
            cells,
        )
        yield "\n".join(lines)

    def tokenizers(self) -> Iterable[str]:
        rows = self.results.section("tokenizers")
        if rows.empty:
            return
        yield f"## {SECTIONS['tokenizers']}"
        yield (
            f"One text, {DATASETS[CHARACTERS].title}, cut into tokens in several ways, at equal "
            "training FLOPs. Bits per character compare across tokenizers; a word that is unknown "
            "pays for its spelling."
        )
        yield from self.figure("tokenizers", "Bits per character by tokenizer, and what it costs")
        for budget, group in rows.groupby("value"):
            found = intervals(group, "name", "bits_per_char")
            one = group.drop_duplicates("name").set_index("name")
            yield f"{power(budget)} FLOPs:"
            yield table(
                [
                    "tokenizer",
                    "vocabulary",
                    "test bits per character",
                    "parameters",
                    "in embedding and output",
                    "FLOPs in the output",
                ],
                [
                    [
                        name,
                        f"{one.vocab_size[name]:,}",
                        str(interval),
                        f"{one.n_params[name]:,}",
                        f"{one.vocabulary_share[name]:.0%}",
                        f"{one.head_share[name]:.0%}",
                    ]
                    for name, interval in found.items()
                ],
            )
            if few_seeds(found):
                yield ONE_SEED
                continue
            negative = intervals(group.assign(less=-group["bits_per_char"]), "name", "less")
            leader = max(negative, key=lambda name: negative[name].mean)
            claim = against_others(leader, negative, "bits per character")
            yield f"{claim[0].upper()}{claim[1:]}."

    def words(self) -> Iterable[str]:
        present = {name: words(self.results, name) for name in WORDS}
        present = {name: rows for name, rows in present.items() if len(rows)}
        if not present:
            return
        yield f"## {SECTIONS['words']}"
        yield (
            "The transformer on words: all tokens, the full vocabulary of the train split, "
            "`<eos>` at each line's end. One seed each: no difference is claimed. Perplexities of "
            "two vocabularies do not compare, so each corpus has its own axes."
        )
        for name, rows in present.items():
            title = DATASETS[name].title
            yield f"### {title}"
            yield from self.figure(f"frontier-{name}", f"{title}: test against training FLOPs")
            yield from self.figure(f"curves-{name}", f"{title}: loss in training")
            guesses = self.results.references[name]
            yield table(
                [
                    "FLOPs",
                    "parameters",
                    "validation loss",
                    "test loss",
                    "test log-likelihood",
                    "test perplexity",
                    "FLOPs in the output",
                ],
                [
                    [
                        power(run.flops),
                        f"{run.n_params:,}",
                        f"{run.val_loss:.3f}",
                        f"{run.test_loss:.3f}",
                        signed(run.log_likelihood),
                        f"{run.perplexity:,.1f}",
                        f"{run.head_share:.0%}",
                    ]
                    for run in rows.itertuples()
                ],
            )
            yield (
                "Guessing from counts, test loss: "
                + listed(f"{kind} {loss:.3f}" for kind, loss in guesses.items())
                + "."
            )

    def samples(self) -> Iterable[str]:
        yield "## Samples"
        yield (
            f"From the checkpoint of each architecture and corpus that is best on validation; "
            f"temperature {SAMPLING.temperature:g}, seed {SAMPLING.seed}, nothing picked."
        )
        for (architecture, dataset), run_id in self.results.checkpoints.items():
            run = self.store.get(run_id)
            yield (
                f"**{architecture}, {DATASETS[dataset].title}**, "
                f"{power(run.status.flops.total)} FLOPs (`{run.run_id}`):"
            )
            yield f"```text\n{sample(self.store, run_id, dataset)}\n```"

    def failures(self) -> Iterable[str]:
        frame = self.results.frame.drop_duplicates("run_id")
        failed = frame[frame["state"] == "failed"]
        if len(failed):
            yield "## Runs that failed"
            yield "They count as worst where a choice was made, and are in no mean."
            yield "\n".join(
                f"- `{run_id}`: {self.store.get(run_id).reason}" for run_id in failed["run_id"]
            )


def sample(store: RunStore, run_id: str, dataset: str) -> str:
    """A text from a checkpoint, or a sentence where its weights are not here."""
    run = store.get(run_id)
    if not run.weights_path.exists():
        return "(Its weights are not here.)"

    tokenizer = run.tokenizer()
    before = prompt_ids(tokenizer, PROMPTS[dataset])
    tokens = generate(load_decoder(run), before, SAMPLE_TOKENS[dataset], SAMPLING)
    text = PROMPTS[dataset] + "".join(text_pieces(tokenizer, before, tokens))
    return text.replace("```", "'''")
