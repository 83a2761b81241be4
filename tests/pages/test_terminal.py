"""What stands in the terminal: the address, and nothing else, whatever is done in the browser."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lm.runs import RunStore
from pages.common.shell import PAGES
from tests.pages.conftest import free_port, wait_until_it_answers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The program as it is downloaded, with room for the runs that a test trains."""
    folder = tmp_path / "project"
    ours = shutil.ignore_patterns("__pycache__")
    for name in ("lm", "pages", "figures", "docs", ".streamlit"):
        shutil.copytree(ROOT / name, folder / name, ignore=ours)
    for shipped in (ROOT / "checkpoints").glob("shipped-*"):
        shutil.copytree(shipped, folder / "checkpoints" / shipped.name)
    shutil.copy(ROOT / "app.py", folder)
    return folder


@pytest.fixture
def started(project: Path):
    """The README's command in that folder: its process, its port, and the file it prints to."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("LM_RUNS_DIR", "LM_DATASETS")}
    terminal = project.parent / "terminal.txt"
    with terminal.open("wb") as file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", "app.py"),
                *("--server.headless=true", f"--server.port={port}"),
            ],
            cwd=project,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    wait_until_it_answers(process, f"http://localhost:{port}")
    yield process, port, terminal
    if process.poll() is None:
        process.terminate()
        process.wait(20)


def test_the_address_is_all_that_is_printed(project: Path, started, tab) -> None:
    process, port, terminal = started
    url = f"http://localhost:{port}"
    for file in PAGES:
        tab.goto(url if file == "start" else f"{url}/{file}")
        tab.get_by_role("heading", level=1).wait_for()
        tab.wait_for_timeout(1000)
    tab.goto(f"{url}/train?dataset=known_entropy&n_chars=20000&budget=1e9&engine=eager")
    tab.locator(".st-key-start button").click()
    tab.locator(".st-key-run-heading").get_by_text("complete", exact=True).wait_for(timeout=120_000)
    states = [run.state for run in RunStore(project / "checkpoints").list() if not run.shipped]
    assert states == ["complete"]
    tab.locator(".st-key-to-generate button").click()  # other pages by their links
    tab.get_by_role("heading", name="Generate", level=1).wait_for()
    prompt = tab.get_by_label("Prompt")
    prompt.fill("a" * 5001)
    prompt.press("Control+Enter")
    tab.get_by_text("its last 5,000 are kept").wait_for()
    tab.get_by_role("button", name="Generate", exact=True).click()
    tab.get_by_role("button", name="Save text").wait_for()
    tab.get_by_role("link", name="Train", exact=True).click()
    tab.locator(".st-key-to-compare button").click()
    tab.locator(".st-key-runs-table").wait_for()
    expected = ["You can now view your Streamlit app in your browser.", f"URL: {url}"]
    assert printed(terminal) == expected
    tab.goto("about:blank")
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert printed(terminal) == [*expected, "Aborted!"]


def test_the_command_opens_a_browser(project: Path) -> None:
    said, programs = project.parent / "said", project.parent / "programs"
    programs.mkdir()
    for name in ("xdg-open", "open"):  # what opens an address on Linux, and on macOS
        (programs / name).write_text(
            f'#!/bin/sh\necho "$1" > "{said}.part"; mv "{said}.part" "{said}"'
        )
        (programs / name).chmod(0o755)
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    process = subprocess.Popen(
        [*command, "--server.headless=false"],
        cwd=project,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until_it_answers(process, f"http://localhost:{port}")
        deadline = time.monotonic() + 20
        while not said.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert said.read_text().strip() == f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(20)


def printed(terminal: Path) -> list[str]:
    """The lines that are not empty."""
    lines = terminal.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]


def test_it_listens_at_one_address(started) -> None:
    _, port, _ = started
    # All of 127.0.0.0/8 is this machine: a server on every interface would answer at 127.0.0.2 too.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=2).close()
