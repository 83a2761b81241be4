"""Where the report's templates are, and the words that they may use."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from lm.base.flops import flops_text
from lm.base.wording import listed, signed
from lm.datasets import DATASETS
from lm.study.sections import ARCHITECTURES, CHARACTERS, SECTIONS
from lm.study.wording import sentence, table


@functools.cache
def environment() -> jinja2.Environment:
    """Jinja with the report's templates, and what they ask for in each of them."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {
        "listed": listed,
        "title_of": lambda dataset: DATASETS[dataset].title,
        "flops_text": flops_text,
        "sentence": sentence,
        "signed": signed,
    }
    jinja.globals |= {
        "ARCHITECTURES": ARCHITECTURES,
        "CHARACTERS": CHARACTERS,
        "DATASETS": DATASETS,
        "SECTIONS": SECTIONS,
        "table": table,
    }
    return jinja
