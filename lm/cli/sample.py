"""`python -m lm sample`."""

from __future__ import annotations

import contextlib
import sys

import click

from lm.base.settings import setting
from lm.cli.command import Call, command
from lm.cli.options import config_options, run_argument
from lm.writing.sampling import Sampling


class SampleOptions(Sampling, frozen=True):
    """What `sample` can be told."""

    tokens: int = setting(300, "How many tokens to write.", ge=1, le=1_000_000, unit="tokens")
    texts: int = setting(
        1, "How many texts to write at once, of this seed and those that follow.", ge=1, le=1_000
    )


@command("sample", "Let a checkpoint write.")
@run_argument
@click.option("--prompt", default="", help="what the text begins with")
@config_options(SampleOptions)
@click.pass_obj
def sample(call: Call, options: SampleOptions, run: str, prompt: str) -> None:
    sampling = Sampling(**options.model_dump(exclude={"tokens", "texts"}))
    writer = call.store.get(run)
    tokenizer = writer.tokenizer()
    from lm.writing.generation import generate, generate_several, text_pieces
    from lm.writing.loading import load_decoder
    from lm.writing.prompts import read_prompt

    decoder = load_decoder(writer)
    begun = read_prompt(prompt, tokenizer, decoder)
    for note in begun.notes:
        click.echo(note, err=True)
    token_ids = begun.token_ids
    with contextlib.suppress(AttributeError):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] - a TextIOWrapper
    begin = tokenizer.decode(token_ids) if prompt else ""
    if options.texts > 1:
        seeds = [sampling.seed + i for i in range(options.texts)]
        samplings = [sampling.replace(seed=seed) for seed in seeds]
        rows = list(generate_several(decoder, token_ids, options.tokens, samplings))
        for seed, text in zip(seeds, zip(*rows, strict=True), strict=True):
            print(f"--- seed {seed}\n{begin}{''.join(text_pieces(tokenizer, token_ids, text))}")
        return
    tokens = generate(decoder, token_ids, options.tokens, sampling)
    print(begin, end="")
    for piece in text_pieces(tokenizer, token_ids, tokens):
        print(piece, end="", flush=True)
    print()
