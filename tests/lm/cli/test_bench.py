"""`python -m lm bench` starts the benchmarks of the project's folder, and imports none of them."""

import importlib.metadata
import json
import os
import subprocess
import sys

import pytest

from bench import __main__ as benchmarks
from bench import suite
from lm.base.files import PROJECT
from lm.cli import bench, main
from tests.lm.cli.said import last_json, refused

SAY_HOW = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "torch": "torch" in sys.modules}))
sys.exit(3)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose benchmarks say how they were started."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text(SAY_HOW)
    monkeypatch.setattr(bench, "PROJECT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_it_starts_them_in_the_projects_folder(project, capfd, flags):
    assert main(["bench", *flags]) == 3
    started = {"argv": flags, "cwd": str(project), "torch": False}
    assert last_json(capfd.readouterr().out) == started


def test_it_says_where_there_are_none(say, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "PROJECT", tmp_path)
    assert "project's folder" in refused(say("bench"))


def test_the_benchmarks_print_a_table_or_json(monkeypatch, capsys):
    row = suite.Row(what="a step", value=1234.5, unit="ms", reference="the peak", ratio=0.5)
    monkeypatch.setattr(suite, "run", lambda: [row])
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    benchmarks.main(as_json=True)
    printed = last_json(capsys.readouterr().out)
    assert printed["rows"][0]["value"] == 1234.5
    assert printed["machine"]["torch"] == importlib.metadata.version("torch")
    benchmarks.main(as_json=False)
    heading, line = capsys.readouterr().out.splitlines()[-2:]
    assert heading.split() == ["what", "measured", "unit", "ratio", "target", "reference"]
    assert line.split() == ["a", "step", "1,234", "ms", "0.5", "-", "the", "peak"]
    assert "GOMP_SPINCOUNT" not in os.environ


def test_openmp_spins_in_the_benchmarks_and_in_no_process_that_they_start():
    script = """
import json, os, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "torch":
            asked.append(os.environ.get("GOMP_SPINCOUNT"))
asked = []
sys.meta_path.insert(0, Watch())
from bench import __main__ as benchmarks
benchmarks.load_suite()
print(json.dumps([asked[0], os.environ.get("GOMP_SPINCOUNT")]))
"""
    environment = {name: value for name, value in os.environ.items() if "SPIN" not in name}
    printed = subprocess.check_output(
        [sys.executable, "-c", script], cwd=PROJECT, env=environment, text=True
    )
    assert json.loads(printed) == ["300000", None]
