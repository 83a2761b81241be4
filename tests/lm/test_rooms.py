"""What keeps the house in order, beyond what the linter sees."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lm.architectures import ARCHITECTURES
from lm.base.files import PROJECT

LOADS_TORCH = re.compile(
    r"lm\.(training\.(engines\.)?(compiled\.)?\w+|updates\.(optimizers|\w+_rule)|jobs\.preload|__main__"
    r"|architectures\.\w+\.(model|\w+_model|heads|losses|products|embeddings|layers))$"
)


def modules() -> list[str]:
    paths = sorted((PROJECT / "lm").rglob("*.py"))
    names = [".".join(path.relative_to(PROJECT).with_suffix("").parts) for path in paths]
    return [name.removesuffix(".__init__") for name in names]


def test_only_what_computes_loads_torch():
    light = [name for name in modules() if not LOADS_TORCH.match(name)]
    assert len(light) > 60
    script = f"""
import importlib, sys
for name in {light!r}:
    importlib.import_module(name)
    if "torch" in sys.modules:
        sys.exit(f"{{name}} loads torch")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_page_that_neither_trains_nor_writes_needs_no_torch():
    script = """
import sys
import pages.common.shell, pages.common.caches, pages.common.drafts, pages.common.forms
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, check=True)


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a file that is no docstring, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_string = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_string and id(node) not in docstrings:
            yield node.lineno, node.value


def imported(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def who_names_an_architecture() -> Iterator[str]:
    """Places that do. A schedule is called linear, too, and so is a scale of Vega's."""
    names = set(ARCHITECTURES)
    words = re.compile(r"\b(mlp|transformer)s?\b", re.IGNORECASE)  # linear, attention: also others
    for folder in ("lm", "pages", "bench"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            place = path.relative_to(PROJECT)
            if place.parts[:2] in (("lm", "architectures"), ("lm", "study")):
                continue
            for line, text in strings(path):
                other = text == "linear" and place.parts[1] in ("updates", "charts")
                if (text in names or words.search(text)) and not other:
                    yield f"{place}:{line}: {text!r}"
            for line, module in imported(path):
                if re.match(rf"lm\.architectures\.({'|'.join(names)})\b", module):
                    yield f"{place}:{line}: imports {module}"


def test_nothing_names_an_architecture_but_its_folder_and_the_study():
    assert list(who_names_an_architecture()) == []
