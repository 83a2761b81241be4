"""Fixtures that every part of the suite may ask for."""

import os
import signal

import pytest

# In a shell's background job Ctrl-C is ignored, and would be by every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["OMP_NUM_THREADS"] = "1"  # small models: a second thread costs more than it brings


@pytest.fixture(scope="session")
def real_corpora() -> None:
    """For tests on Tiny Shakespeare, PTB and WikiText-2 themselves."""
    if not os.environ.get("LM_DATASETS"):
        pytest.skip("needs the real corpora: set LM_DATASETS to the folder that holds them")
