"""The Start page: useful before any training, without torch, and one button to the first run."""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_shows_sample_and_ladder_without_torch(trained: Path) -> None:
    script = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
assert not app.exception, app.exception
assert any("finish" in header.value for header in app.header), app.header
assert "torch" not in sys.modules
"""
    environment = {"LM_RUNS_DIR": str(trained), "PATH": "", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]


def test_sample_is_coloured_and_another_is_written(app_url, tab) -> None:
    tab.goto(app_url)
    tab.locator(".text .token").first.wait_for()
    before = tab.locator(".text").text_content()
    assert before.startswith("ROMEO:")
    tab.locator(".ladder tbody tr").nth(1).wait_for()
    tab.get_by_role("button", name="Another text").click()
    tab.locator(".text .token").nth(len(before)).wait_for()  # the new one is longer
    assert tab.locator(".text").text_content().startswith("ROMEO:")


def test_primary_button_starts_a_training(start_server, tab, tmp_path: Path) -> None:
    tab.goto(start_server(tmp_path / "runs"))
    tab.get_by_role("button", name="Train your first model").click()
    tab.wait_for_url("**/train?*")
    deadline = time.monotonic() + 30
    steps = 0
    while steps < 2 and time.monotonic() < deadline:
        steps = max(
            (json.loads(path.read_text())["step"] for path in tmp_path.glob("runs/*/status.json")),
            default=0,
        )
        time.sleep(0.2)
    assert steps >= 2


def test_narrow_screen_does_not_scroll_sideways(app_url, tab) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    for path in ("/", "/generate"):
        tab.goto(app_url + path)
        tab.locator("table").first.wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
