"""Every page opens: as a script, and as the first URL a fresh server is asked for."""

import ast
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lm.architectures import ARCHITECTURES
from pages.common.shell import PAGES, Page

ROOT = Path(__file__).parents[2]


def test_no_page_names_an_architecture() -> None:
    for path in [ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in ARCHITECTURES, path


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
    assert links.all_inner_texts() == [page.title for page in PAGES.values()]
    assert tab.get_by_role("dialog").count() == 0
    assert links.nth(list(PAGES).index(file)).get_attribute("aria-current") == "page"
    assert tab.locator('[data-testid="stException"]').count() == 0


def test_pages_switch_without_a_reload(start_server, tab) -> None:
    tab.goto(f"{start_server()}/generate")
    tab.locator("h1").wait_for()
    for file, page in PAGES.items():
        before = tab.locator("h1").inner_text()
        tab.get_by_role("link", name=page.title, exact=True).click()
        tab.wait_for_url("**/" if file == "start" else f"**/{file}*")
        tab.wait_for_function(
            "before => document.querySelector('h1')?.innerText != before", arg=before
        )
        assert tab.get_by_role("dialog").count() == 0


def test_each_step_back_changes_something(app_url, tab) -> None:
    tab.goto(app_url)
    tab.get_by_role("link", name="Train", exact=True).click()
    for key in ("ArrowLeft", "ArrowLeft"):
        before = tab.evaluate("location.search")
        tab.locator(".st-key-budget input").first.press(key)
        tab.wait_for_function("before => location.search != before", arg=before)
    chosen = tab.evaluate("location.search")
    for page in ("Data", "Train"):
        tab.get_by_role("link", name=page, exact=True).click()
        tab.get_by_role("heading", name=page, level=1).wait_for()
    tab.wait_for_function("chosen => location.search == chosen", arg=chosen)
    for heading in ("Data", "Train", "What will a little compute buy?"):
        tab.go_back()
        tab.get_by_role("heading", name=heading, level=1).wait_for()
        if heading == "Train":
            tab.wait_for_function("chosen => location.search == chosen", arg=chosen)


# --- on a wall ------------------------------------------------------------------------------------


def style(app: AppTest) -> str:
    return "".join(each.proto.body for each in app.get("html") if "<style>" in each.proto.body)


def test_projector_in_the_address_lasts_for_the_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert "zoom" not in style(app)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["projector"] = ""
    app.run()
    assert "zoom" in style(app)
    assert "projector" not in app.query_params  # so that no page takes it for a setting
    app.switch_page("pages/data.py").run()
    assert not app.exception
    assert "zoom" in style(app)


def test_buttons_and_what_marks_mean_stay_on_a_wall(app_url, tab) -> None:
    tab.goto(f"{app_url}/train?projector")
    layers = tab.get_by_label(re.compile("^Layers"))
    layers.fill("3")
    layers.press("Enter")
    tab.locator(".st-key-reset-n_layers button:visible").first.wait_for()
    tab.locator(".st-key-loss-chart [data-testid=stCaptionContainer]").wait_for(state="visible")


# --- a page of one's own --------------------------------------------------------------------------


TOY = """
import streamlit as st
from pages.common import shell

shell.page("A toy", "It has one button.")
if st.button("Play"):
    st.write("Played")
"""


def test_a_page_is_added_by_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_RUNS_DIR", str(tmp_path))
    script = tmp_path / "toy.py"
    script.write_text(TOY)
    with PAGES.including(Page("toy", "Toy", script)):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        assert app.title[0].value == "What will a little compute buy?"  # the first is the first
        app.switch_page(str(script)).run()
        assert not app.exception
        assert app.title[0].value == "A toy"
        app.button[0].click().run()
        assert app.markdown[-1].value == "Played"
    assert "toy" not in PAGES


def test_an_added_page_opens_in_a_browser(start_server, tab, tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    app = tmp_path / "app.py"
    app.write_text(f"""
import runpy
from pathlib import Path
from lm.architectures import ARCHITECTURES
from pages.common.shell import PAGES, Page

if "toy" not in PAGES:
    PAGES.add(Page("toy", "Toy", Path({str(tmp_path / "toy.py")!r})))
runpy.run_path({str(ROOT / "app.py")!r}, run_name="__main__")
""")
    url = start_server(app=app)
    tab.goto(f"{url}/toy")
    tab.get_by_role("heading", name="A toy", level=1).wait_for()
    links = tab.get_by_test_id("stTopNavLink")
    assert links.all_inner_texts() == [*(page.title for page in PAGES.values()), "Toy"]
    assert links.last.get_attribute("aria-current") == "page"
    tab.get_by_role("button", name="Play").click()
    tab.get_by_text("Played").wait_for()
    tab.get_by_role("link", name="Data", exact=True).click()
    tab.get_by_role("heading", name="Data", level=1).wait_for()
