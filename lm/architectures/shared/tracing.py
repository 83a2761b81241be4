"""Whether a training step is being traced to be compiled.

A compiler fuses basic operators, and knows no others. What is fast for PyTorch, which calls each
operator by itself, may then be written in another way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextvars import ContextVar

_tracing: ContextVar[bool] = ContextVar("tracing", default=False)


@contextlib.contextmanager
def tracing() -> Generator[None, None, None]:
    """Within, a step is traced."""
    token = _tracing.set(True)
    try:
        yield
    finally:
        _tracing.reset(token)


def is_tracing() -> bool:
    """Whether a step is being traced."""
    return _tracing.get()
