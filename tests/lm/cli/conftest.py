"""A folder of runs, and commands that are run on it."""

import pytest

from lm.cli import main
from tests.lm.cli.said import CORPUS, TINY


@pytest.fixture(scope="package")
def home(tmp_path_factory):
    """A folder of runs with one trained linear model, named first."""
    folder = tmp_path_factory.mktemp("runs")
    command = ["train", *CORPUS, *TINY, "--architecture", "linear", "--steps", "6"]
    assert main([*command, "--name", "first", "--runs-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def say(home, capsys):
    """Run a command on `home`: status, stdout, stderr."""

    def run(*argv, runs_dir=home):
        status = main([*argv, "--runs-dir", str(runs_dir)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
