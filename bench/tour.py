"""Pictures of all pages, from real runs in a real browser, for docs/tour.

    python -m bench.tour

Starts a server of its own over a copy of the shipped runs and the study, trains one small run
through the page, and takes each page in light and dark, on a wide screen and on a phone. Takes a
few minutes. LM_DATASETS names the folder of the corpora, which the pictures show.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from bench.browser import chromium, server
from lm.architectures import ARCHITECTURES, DEFAULT

ANOTHER = next(name for name in list(ARCHITECTURES)[1:] if name != DEFAULT)  # small and quick

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tour"
QUALITY = 65  # of WebP: type stays sharp, and a picture under 100 kB
SCHEMES = ("light", "dark")
WIDTHS = {1440: 900, 390: 844}  # pixels: width -> height of the window while the page loads
TALLEST = 4000  # pixels: what lies below is left out
QUIET = """() =>
    document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stSkeleton"]')
"""


def settle(tab: Page) -> None:
    """Wait until a page has its heading and the server has said all it has to say."""
    tab.locator("h1").wait_for()
    tab.wait_for_timeout(500)
    tab.wait_for_function(QUIET, timeout=60_000)
    tab.wait_for_timeout(1_200)  # charts are drawn, and move into place


def train(tab: Page, url: str) -> str:
    """Train a small run through the page Train; returns its id."""
    tab.goto(f"{url}/train?architecture={ANOTHER}&budget=1e10")
    settle(tab)
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.wait_for_url("**run=*")
    complete = tab.locator(".st-key-run-heading").get_by_text("complete", exact=True)
    complete.wait_for(timeout=180_000)
    return tab.url.split("run=")[1].split("&")[0]


def write(tab: Page) -> None:
    """Let the page Generate write."""
    tab.get_by_role("button", name="Generate", exact=True).click()
    tab.locator(".text .token").nth(20).wait_for()
    tab.get_by_role("button", name="Stop writing").wait_for(state="hidden", timeout=60_000)
    settle(tab)


def coursework(tab: Page) -> None:
    """Open the coursework's part of the page Study."""
    tab.get_by_role("radio", name="The coursework's study").click()
    settle(tab)


# Name of the picture -> address, and what is done there before the picture is taken.
VIEWS: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "start": ("/", None),
    "data": ("/data", None),
    "train": ("/train?run={run}", None),
    "compare": ("/compare", None),
    "study": ("/study", coursework),
    "generate": (f"/generate?run=shipped-{DEFAULT}", write),
    "projector": ("/train?run={run}&projector", None),
}


def picture(tab: Page, name: str, width: int) -> None:
    """Take the page as long as it is."""
    height = tab.locator(".stMain").evaluate("main => main.scrollHeight")
    tab.set_viewport_size({"width": width, "height": min(height, TALLEST)})
    settle(tab)
    tab.mouse.move(0, 0)
    content = tab.screenshot(animations="disabled")
    Image.open(io.BytesIO(content)).save(FOLDER / f"{name}.webp", quality=QUALITY, method=6)


def views(browser: Browser, url: str, run: str, names: list[str]) -> None:
    """All pictures that are asked for."""
    for scheme in SCHEMES:
        for width, height in WIDTHS.items():
            for name in names:
                if name == "projector" and (width, scheme) != (1440, "light"):
                    continue
                # a profile each, so that no picture depends on the one before
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                tab = context.new_page()
                address, act = VIEWS[name]
                tab.goto(url + address.format(run=run))
                settle(tab)
                if act is not None:
                    act(tab)
                picture(tab, f"{name}-{scheme}-{width}", width)
                context.close()


def main(names: list[str]) -> None:
    """Take all pictures or, given names of `VIEWS`, those."""
    FOLDER.mkdir(exist_ok=True)
    datasets = os.environ.get("LM_DATASETS")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        runs_dir = Path(shutil.copytree(ROOT / "checkpoints", Path(folder, "runs")))
        with server(runs_dir, Path(datasets) if datasets else None) as url:
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            run = train(tab, url)
            tab.close()
            views(browser, url, run, names or list(VIEWS))
    sizes = [file.stat().st_size for file in FOLDER.glob("*.webp")]
    print(
        f"{len(sizes)} pictures, {sum(sizes) / 1e6:.1f} MB, the largest {max(sizes) / 1e3:.0f} kB"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
