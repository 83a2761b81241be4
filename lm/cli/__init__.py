"""`python -m lm`: the program from a terminal. A file per command; `app` lists them."""

from lm.cli.app import main

__all__ = ["main"]
