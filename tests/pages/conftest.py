"""A server on a free port and a browser that remembers what went wrong, for tests of the pages."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WITHIN = ("data:", "blob:")  # the browser itself
# On a deep link Streamlit looks for its server at /compare/_stcore/… before /_stcore/…
PROBES = re.compile(r"/\w+/_stcore/(health|host-config)$")


def widget(elements: Iterable, name: str):
    """The widget `name` of a form: its key gains a number when its value follows another's."""
    return next(each for each in elements if re.fullmatch(rf"{name}(-\d+)?", each.key or ""))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(process: subprocess.Popen, url: str) -> None:
    """Return once the server at `url` is ready; RuntimeError, and an end to it, if it is not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("The Streamlit server did not start.")


def serve(
    runs_dir: Path, datasets_dir: Path | None = None, app: Path = ROOT / "app.py"
) -> tuple[subprocess.Popen, str]:
    """Start the app on a free port; returns the process, and its URL once it answers."""
    port = free_port()
    environment = {**os.environ, "LM_RUNS_DIR": str(runs_dir), "PYTHONPATH": str(ROOT)}
    environment.pop("LM_DATASETS", None)
    if datasets_dir is not None:
        environment["LM_DATASETS"] = str(datasets_dir)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", str(app), "--server.headless=true"),
            *("--server.address=127.0.0.1", f"--server.port={port}"),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    wait_until_it_answers(process, url)
    return process, url


ODD_TEXT = (
    "ROMEO:\nO *soft* $light$ <unk> & <b>bold</b> <script>window.hacked = 1</script> breaks\n\n"
)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: two models that have learnt `ODD_TEXT` by heart."""
    from lm.datasets import load
    from lm.datasets.config import DataConfig
    from lm.runs import RunStore, recipes
    from lm.runs.prepare import prepare
    from lm.training import execute

    corpora = tmp_path_factory.mktemp("datasets")
    (corpora / "tiny_shakespeare").mkdir()
    for part, times in (("train", 300), ("valid", 20), ("test", 20)):
        (corpora / "tiny_shakespeare" / f"{part}.txt").write_text(ODD_TEXT * times)
    store = RunStore(tmp_path_factory.mktemp("runs"))
    data = DataConfig(dataset="tiny_shakespeare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LM_DATASETS", str(corpora))
        corpus = load(data)
        for architecture in ("mlp", "transformer"):
            config = recipes.resolve(
                architecture=architecture,
                data=data,
                vocab_size=corpus.tokenizer.vocab_size,
                n_train_tokens=corpus.train.n_tokens,
                budget=3e9,
                training={"engine": "eager"},  # for so few steps no program is made
            )
            run = prepare(config, store, name=f"odd {architecture}", corpus=corpus)
            store.ship(execute(run), f"shipped-{architecture}")
            store.delete(run)
    return store.root


@pytest.fixture(scope="module")
def app_url(trained: Path) -> Iterator[str]:
    """A server with the `trained` runs, shared by the tests of a module."""
    process, url = serve(trained)
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start a fresh server and get its URL; `runs_dir` defaults to an empty folder."""
    processes = []

    def start(
        runs_dir: Path = tmp_path / "runs",
        datasets_dir: Path | None = None,
        app: Path = ROOT / "app.py",
    ) -> str:
        process, url = serve(runs_dir, datasets_dir, app)
        processes.append(process)
        return url

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless Chromium, Debian's or Playwright's own."""
    advice = "install one with: apt-get install chromium"
    playwright_api = pytest.importorskip("playwright.sync_api", reason="No Playwright.")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    with playwright_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        if path is None and not Path(own).exists():
            pytest.skip(f"No Chromium; {advice}")
        browser = playwright.chromium.launch(executable_path=path or own, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium) -> Iterator:
    """A page of a fresh profile, cut off from the network; `tab.problems` must stay empty.

    It collects console errors, exceptions, failed requests and attempts to reach another machine.
    """
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.problems = []

    def guard(route) -> None:
        if route.request.url.startswith(("http://127.0.0.1", "http://localhost", *WITHIN)):
            route.continue_()
        else:
            page.problems.append(f"reaches out to {route.request.url}")
            route.abort()

    context.route("**/*", guard)
    page.on("pageerror", lambda error: page.problems.append(f"exception: {error}"))
    page.on(
        "console",
        lambda message: (
            page.problems.append(f"{message.text} ({message.location['url']})")
            if message.type == "error" and not PROBES.search(message.location["url"])
            else None
        ),
    )
    yield page
    problems = page.problems
    context.close()
    assert not problems, problems
