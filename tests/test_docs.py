"""What README.md and the pages in docs/ name is there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from lm.base import glossary

ROOT = Path(__file__).parents[1]
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "datasets" / "README.md")
    if path.name != "CHANGELOG.md"  # it names what was, too
]
FOLDERS = "lm|pages|docs|bench|tests|sweeps|figures"
PATH = re.compile(rf"(?<![\w/.-])(?:\.\./)?((?:{FOLDERS})/[\w./-]*\w\.(?:py|md|csv|toml|png|svg))")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
IMPORT = re.compile(r"^from (lm[\w.]*) import (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = {path: ROOT / path for path in PATH.findall(text)}
    linked = {link: page.parent / link for link in LINK.findall(text)}
    missing = [name for name, path in (named | linked).items() if not path.exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_imports_can_be_imported(page):
    for module, names in IMPORT.findall(page.read_text(encoding="utf-8")):
        for name in names.strip("()").split(","):
            assert hasattr(import_module(module), name.strip()), f"{module}.{name.strip()}"


def test_the_glossary_is_that_of_the_pages():
    """`python -m lm.base.glossary > docs/glossary.md` writes it."""
    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == glossary.page()


def test_paths_and_links_are_recognised():
    text = "`lm/runs/plan.py`, [a](../lm/cli.py), (docs/a-b.md) ![c](figures/x.png), lm/{name}.py"
    assert PATH.findall(text) == ["lm/runs/plan.py", "lm/cli.py", "docs/a-b.md", "figures/x.png"]
    assert LINK.findall("[a](b.md#c) [d](https://e.f) [g](#h) ![i](../j.png)") == [
        "b.md",
        "../j.png",
    ]
