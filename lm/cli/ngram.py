"""`python -m lm ngram`."""

from __future__ import annotations

import time

from lm.base.settings import Config, setting
from lm.cli.command import command
from lm.cli.options import config_options, data_options, json_option, load_corpus
from lm.cli.printing import bits_first, plain, print_json, print_table
from lm.datasets.config import DataConfig
from lm.datasets.counting.ngram import evaluate, order_for


class NGramOptions(Config, frozen=True):
    """What `ngram` can be told."""

    order: int | None = setting(
        None,
        "Tokens in an n-gram, the predicted one included. Left out: 6, or 5 for words.",
        ge=1,
        le=20,
    )


@command("ngram", "Score n-grams that are counted from a corpus, in seconds.")
@data_options
@config_options(NGramOptions)
@json_option
def ngram(options: NGramOptions, data: DataConfig, as_json: bool) -> None:
    corpus = load_corpus(data)
    started_at = time.perf_counter()
    scores = evaluate(corpus, options.order or order_for(corpus.tokenizer.vocab_size))
    seconds = time.perf_counter() - started_at
    rows = [
        {
            "split_part": part,
            "loss": score.loss,
            "perplexity": score.perplexity,
            "bits_per_char": score.bits_per_char,
            "spelling_bits_per_char": score.spelling_bits_per_char,
            "spacing_bits_per_char": score.spacing_bits_per_char,
            "unknown_share": score.unknown_share,
            "n_tokens": score.n_tokens,
        }
        for part, score in scores.items()
    ]
    rows = [bits_first(row, scores["valid"]) for row in rows]
    if as_json:
        print_json({"dataset": corpus.data.dataset, "seconds": seconds, "scores": rows})
        return
    print_table(list(rows[0]), [list(map(plain, row.values())) for row in rows])
    print(f"\nCounted and scored in {seconds:.1f} s, with no training FLOPs.")
