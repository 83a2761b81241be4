"""`python -m lm evaluate`."""

from __future__ import annotations

import click

from lm.base.records import Evaluation
from lm.base.registry import must_be_one_of
from lm.base.wording import counted
from lm.cli.command import Call, command
from lm.cli.options import json_option, run_argument, setting_option
from lm.cli.printing import bits_first, note, note_unknown_words, print_json, print_values
from lm.datasets.config import DataConfig
from lm.datasets.encodings import GUESS
from lm.datasets.textfile import read_any_text
from lm.runs.table import PER_TOKEN

PARTS = ("valid", "test")
ALL = "all of the file"
UNITS = {
    "loss": PER_TOKEN,
    "log_likelihood": PER_TOKEN,
    "perplexity": "per token",
    "total_nats": "nats",
}


@command("evaluate", "Score a checkpoint on a whole split, or on any text.")
@run_argument
@click.option("--split-part", metavar="PART", help=f"{' or '.join(PARTS)} (default: {PARTS[0]})")
@click.option(
    "--text",
    "text_path",
    metavar="FILE",
    help="all of another text, by the run's own tokenizer: what did it only memorise?",
)
@setting_option(DataConfig, "encoding")
@click.option(
    "--hybrid",
    is_flag=True,
    help="mixed with n-grams of the train split, by weights chosen on valid",
)
@click.option(
    "--blocks", is_flag=True, help="in rows that do not overlap, as others score: less context"
)
@json_option
@click.pass_obj
def evaluate(
    call: Call,
    run: str,
    split_part: str | None,
    text_path: str | None,
    encoding: str | None,
    hybrid: bool,
    blocks: bool,
    as_json: bool,
) -> None:
    if split_part is not None and split_part not in PARTS:
        raise click.ClickException(must_be_one_of("--split-part", split_part, PARTS))
    if text_path is not None and (split_part is not None or hybrid):
        other = "--hybrid" if hybrid else "--split-part"
        raise click.ClickException(
            f"--text scores all of a file, so {other} does not go with it. Leave one out."
        )
    if encoding is not None and text_path is None:
        raise click.ClickException(
            "--encoding goes with --text FILE. Name a text, or leave it out."
        )
    scored = call.store.get(run)
    from lm.training.scoring import score, score_text

    if text_path is None:
        part = split_part or PARTS[0]
        result = score(scored, part, hybrid=hybrid, blocks=blocks)
    else:
        part = ALL
        reading = read_any_text(text_path, encoding or GUESS)
        for sentence in reading.notes:
            note(sentence)
        result = score_text(scored, reading.text, blocks=blocks)
        note(
            f"All of {text_path} is scored: {counted(result.n_chars, 'character')}, "
            f"{counted(result.n_tokens, 'token')}. None of it is held out."
        )
    values = {
        "run_id": scored.run_id,
        "category": "hybrid" if hybrid else "neural",
        "protocol": "blocks" if blocks else "half-stride",
        "dataset": scored.config.data.dataset if text_path is None else text_path,
        "split_part": part,
        "step": scored.status.checkpoint_step,
        **_figures(result),
    }
    values = bits_first(values, result)
    if as_json:
        print_json(values)
    else:
        print_values(values, UNITS)
    note_unknown_words({part if text_path is None else "scored": result})


def _figures(result: Evaluation) -> dict[str, float | None]:
    return {
        "loss": result.loss,
        "log_likelihood": result.log_likelihood,
        "perplexity": result.perplexity,
        "bits_per_char": result.bits_per_char,
        "spelling_bits_per_char": result.spelling_bits_per_char,
        "spacing_bits_per_char": result.spacing_bits_per_char,
        "unknown_share": result.unknown_share,
        "total_nats": result.total_nats,
        "n_tokens": result.n_tokens,
        "n_chars": result.n_chars,
    }
