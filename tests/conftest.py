"""Fixtures that every part of the suite may ask for."""

import os
import signal
from pathlib import Path

import pytest

# In a shell's background job Ctrl-C is ignored, and would be by every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What this process trains itself is small, and has a core to itself. Nothing that a test starts,
# neither a server nor a command, is told so: it has the environment of its user.
os.environ["OMP_NUM_THREADS"] = "1"
import torch  # noqa: E402, F401 - OpenMP reads it once

del os.environ["OMP_NUM_THREADS"]

# Files that take longest, longest first: begun last, one of them would keep one worker alone.
LONG = (
    "test_study.py",
    "test_known_entropy_models.py",
    "test_cluster.py",
    "test_first_minute.py",
    "test_train_live.py",
    "test_meter.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = Path(item.path).name
        return LONG.index(name) if name in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def real_corpora() -> None:
    """For tests on Tiny Shakespeare, PTB and WikiText-2 themselves."""
    if not os.environ.get("LM_DATASETS"):
        pytest.skip("needs the real corpora: set LM_DATASETS to the folder that holds them")
