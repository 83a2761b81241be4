"""Every page opens: as a script, and as the first URL a fresh server is asked for."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.common.shell import PAGES

ROOT = Path(__file__).parents[2]


def test_every_script_in_pages_is_a_page() -> None:
    scripts = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert scripts == set(PAGES)


@pytest.mark.parametrize("file", PAGES)
def test_page_opens(file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if file != "start":
        app = app.run().switch_page(f"pages/{file}.py")
    app.run()
    assert not app.exception
    assert len(app.title) == 1


@pytest.mark.parametrize("file", PAGES)
def test_first_visitor_of_a_fresh_server_gets_the_page(file: str, start_server, tab) -> None:
    path = "/" if file == "start" else f"/{file}"
    tab.goto(f"{start_server()}{path}?n_layers=999&dataset=zzz")
    tab.locator("h1").wait_for()
    links = tab.get_by_test_id("stTopNavLink")
    assert links.all_inner_texts() == list(PAGES.values())
    assert tab.get_by_role("dialog").count() == 0
    assert links.nth(list(PAGES).index(file)).get_attribute("aria-current") == "page"
    assert tab.locator('[data-testid="stException"]').count() == 0


def test_pages_switch_without_a_reload(start_server, tab) -> None:
    tab.goto(f"{start_server()}/generate")
    tab.locator("h1").wait_for()
    for file, title in PAGES.items():
        before = tab.locator("h1").inner_text()
        tab.get_by_role("link", name=title, exact=True).click()
        tab.wait_for_url("**/" if file == "start" else f"**/{file}*")
        tab.wait_for_function(
            "before => document.querySelector('h1')?.innerText != before", arg=before
        )
        assert tab.get_by_role("dialog").count() == 0
