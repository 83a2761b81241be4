"""`python -m lm evaluate`."""

from __future__ import annotations

import click

from lm.base.records import Evaluation
from lm.base.registry import must_be_one_of
from lm.cli.command import Call, command
from lm.cli.options import json_option, run_argument
from lm.cli.printing import print_json, print_values
from lm.runs import Run
from lm.runs.prepare import corpus_of

PARTS = ("valid", "test")


@command("evaluate", "Score a checkpoint on a whole split.")
@run_argument
@click.option("--split-part", default="valid", metavar="PART", help=" or ".join(PARTS))
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
    call: Call, run: str, split_part: str, hybrid: bool, blocks: bool, as_json: bool
) -> None:
    if split_part not in PARTS:
        raise click.ClickException(must_be_one_of("--split-part", split_part, PARTS))
    scored = call.store.get(run)
    score = _score(scored, split_part, hybrid, blocks)
    (print_json if as_json else print_values)(
        {
            "run_id": scored.run_id,
            "category": "hybrid" if hybrid else "neural",
            "protocol": "blocks" if blocks else "half-stride",
            "dataset": scored.config.data.dataset,
            "split_part": split_part,
            "step": scored.status.checkpoint_step,
            "loss": score.loss,
            "log_likelihood": score.log_likelihood,
            "perplexity": score.perplexity,
            "bits_per_char": score.bits_per_char,
            "spelling_bits_per_char": score.spelling_bits_per_char,
            "total_nats": score.total_nats,
            "n_tokens": score.n_tokens,
            "n_chars": score.n_chars,
        }
    )


def _score(run: Run, part: str, hybrid: bool, blocks: bool) -> Evaluation:
    import torch

    from lm.datasets.counting import hybrid as hybrids
    from lm.training.checkpoint import load_model
    from lm.training.device import DeviceError, resolve_device
    from lm.training.evaluation import evaluate, token_nats

    try:
        device = resolve_device(run.status.device or "cpu")
    except DeviceError:  # trained elsewhere
        device = resolve_device("cpu")
    torch.set_num_threads(run.facts.threads)
    model = load_model(run, str(device))
    corpus = corpus_of(run)
    if part not in corpus.splits:
        raise click.ClickException(f"The {run.config.data.split} split has no test part.")
    if hybrid:
        nats = {
            name: token_nats(model, corpus.splits[name].token_ids, blocks=blocks)
            for name in dict.fromkeys(["valid", part])
        }
        return hybrids.evaluate(corpus, nats)[part]
    split = corpus.splits[part]
    return evaluate(
        model,
        split.token_ids,
        n_chars=split.n_chars,
        spelling_nats=split.spelling_nats,
        blocks=blocks,
    )
