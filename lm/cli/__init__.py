"""`python -m lm`: the same capabilities from a terminal."""

from lm.cli.app import main

__all__ = ["main"]
