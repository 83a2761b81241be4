"""The command line as a process: signals, pipes, what it loads."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

import lm
from lm.base.files import PROJECT
from lm.cli import main
from lm.runs import RunStore
from tests.lm.cli.said import CORPUS, TINY


def process(*argv, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "lm", *argv],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_training_goes_on_when_nobody_reads_what_it_says(tmp_path):
    training = process(*LONG, "--runs-dir", str(tmp_path))
    training.stderr.readline()
    training.stderr.close()  # as `head` does
    assert json.loads(training.stdout.read())["steps"] == 1500
    assert training.wait() == 0


def test_looking_costs_no_torch(home):
    script = (
        "import sys, lm; from lm.cli import main; "
        f"main(['runs', '--runs-dir', {str(home)!r}]); main(['data']); "
        "main(['resume', 'nobody']); "
        "assert not {'torch', 'pandas', 'streamlit', 'altair'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True, capture_output=True)


LONG = ["train", *CORPUS, *TINY, "--architecture", "linear", "--steps", "1500", "--json"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert main([*LONG, "--runs-dir", str(folder)]) == 0
    return RunStore(folder).list()[0].weights_path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, number, undisturbed):
    training = process(*LONG, "--runs-dir", str(tmp_path))
    head = [training.stderr.readline() for _ in range(3)]  # of the text, of the run, then 10 %
    training.send_signal(number)
    out, err = training.communicate(timeout=120)
    assert "10%" in head[2]
    assert (training.returncode, out) == (130, "")
    assert "Traceback" not in err
    run_id = re.search(r"Go on with: python -m lm resume (\S+) --runs-dir", err)[1]
    run = RunStore(tmp_path).get(run_id)
    assert run.state == "paused"
    assert 150 <= run.status.step < 1500
    assert signal.Signals(number).name in run.reason
    assert main(["resume", run_id, "--runs-dir", str(tmp_path)]) == 0
    assert run.weights_path.read_bytes() == undisturbed


def test_a_reader_may_leave(home):
    sample = process("sample", "first", "--tokens", "100000", "--runs-dir", str(home))
    sample.stdout.read(10)
    sample.stdout.close()
    assert sample.stderr.read() == ""
    assert sample.wait(timeout=60) == 0
    sample.stderr.close()


def test_text_streams(home):
    sample = process("sample", "first", "--tokens", "1000000", "--runs-dir", str(home))
    started_at = time.monotonic()
    assert len(sample.stdout.read(20)) == 20
    assert sample.poll() is None
    sample.send_signal(signal.SIGINT)
    sample.communicate(timeout=60)
    assert sample.returncode == 130
    assert time.monotonic() - started_at < 60


def test_the_notebook_door():
    for name in lm.__all__:
        assert getattr(lm, name).__name__ == name
    assert set(lm.__all__) <= set(dir(lm))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lm.nothing  # noqa: B018
