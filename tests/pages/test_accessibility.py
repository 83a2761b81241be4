"""Every page can be read by those who see little or nothing, and on a phone.

axe-core, which the Python package `axe-playwright-python` carries, looks for what such readers
stumble over. What it finds of impact "serious" or "critical" fails.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from pages.common.shell import PAGES
from tests.pages.conftest import serve

ROOT = Path(__file__).parents[2]
QUIET = """() =>
    document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stSkeleton"]')
    && [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')].every(
        (chart) => chart.querySelector('svg, canvas'))
"""
FAILING = ("serious", "critical")
SHORTEST_ALTERNATIVE = 20  # characters; "Chart" is none


@pytest.fixture(scope="module")
def shipped_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server over the shipped runs, so that every page has something to show."""
    runs_dir = tmp_path_factory.mktemp("runs")
    for shipped in (ROOT / "checkpoints").iterdir():
        if shipped.name.startswith("shipped-"):
            shutil.copytree(shipped, runs_dir / shipped.name)
        elif shipped.name == "study":
            (runs_dir / shipped.name).symlink_to(shipped)
    process, url = serve(runs_dir)
    yield url
    process.terminate()
    process.wait(20)


def findings(tab: Any, **options: Any) -> list[str]:
    """What axe-core finds on the page as it stands: impact, rule, place and message."""
    result = tab.evaluate(
        "options => axe.run(document, {resultTypes: ['violations'], ...options})", options
    )
    return [
        f"{violation['impact']}: {violation['id']} at {' '.join(map(str, node['target']))}: "
        f"{node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def test_every_page_is_accessible(shipped_url: str, tab: Any) -> None:
    tab.goto(shipped_url)
    tab.get_by_role("heading", level=1).wait_for()
    tab.evaluate(AXE_SCRIPT)
    for number, page in enumerate(PAGES.values()):
        if number:  # by a link: the browser keeps what it has loaded
            before = tab.locator("h1").inner_text()
            tab.get_by_role("link", name=page.title, exact=True).click()
            tab.wait_for_function(
                "before => ![before, undefined].includes(document.querySelector('h1')?.innerText)",
                arg=before,
            )
        tab.wait_for_function(QUIET)
        found = findings(tab)
        color_scheme(tab, "dark")
        found += [f"in the dark, {each}" for each in findings(tab, runOnly=["color-contrast"])]
        color_scheme(tab, "light")
        failing = [each for each in found if any(f"{impact}: " in each for impact in FAILING)]
        assert not failing, f"{page.title}: " + "\n".join(failing)

        for chart in tab.get_by_test_id("stVegaLiteChart").all():
            alternative = chart.get_attribute("aria-label") or ""
            assert len(alternative) >= SHORTEST_ALTERNATIVE, page.title

        tab.set_viewport_size({"width": 390, "height": 844})
        tab.wait_for_function(QUIET)
        for selector in (":root", '[data-testid="stMain"]'):
            width = tab.locator(selector).evaluate("element => element.scrollWidth")
            assert width <= 390, f"{page.title}: {selector}"
        tab.set_viewport_size({"width": 1280, "height": 900})


def color_scheme(tab: Any, scheme: str) -> None:
    """Let the system ask for light or dark, which the page follows without a reload."""
    tab.emulate_media(color_scheme=scheme)
    tab.wait_for_function(
        "scheme => getComputedStyle(document.querySelector('.stApp')).colorScheme === scheme",
        arg=scheme,
    )
