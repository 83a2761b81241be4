"""`python -m lm data`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from lm import datasets
from lm.cli.command import command, unknown
from lm.cli.printing import print_table, si


@command("data", "List the corpora, or download some.")
@click.argument("action", default="list", metavar="[ACTION]", help="list (default) or download")
@click.argument("names", nargs=-1, metavar="[NAME]...", help="corpora to download")
@click.option("--consent", is_flag=True, help="agree to the licence of a corpus that asks for it")
def data(action: str, names: tuple[str, ...], consent: bool) -> None:
    if action == "list" and not names:
        _list()
        return
    if action != "download":
        raise click.ClickException(
            f"data takes list, or download and names. Received: {' '.join([action, *names])!r}."
        )
    if not names:
        raise click.ClickException(f"Name what to download: {', '.join(datasets.downloadable())}.")
    for name in names:
        if name not in datasets.DATASETS:
            raise unknown("corpus", name, datasets.downloadable())
    for name in names:
        paths = datasets.download(name, consent or _asks_consent(name), _progress(name))
        print(f"{name}: {', '.join(str(path) for path in paths)}")


def _list() -> None:
    rows = []
    for name, dataset in datasets.DATASETS.items():
        if dataset.needs_path:
            how = "python -m lm train --text FILE"
        elif not dataset.needs_file:
            how = "needs no file"
        elif dataset.download is None:
            how = "put its files there by hand"
        else:
            consent = " --consent" if dataset.download.consent else ""
            how = f"python -m lm data download {name}{consent}"
        here = "-" if dataset.needs_path else "yes" if dataset.available else "no"
        rows.append([name, here, dataset.licence, how])
    print_table(["corpus", "here", "licence", "how to get it"], rows)


def _asks_consent(name: str) -> bool:
    """Ask for consent on a terminal; elsewhere only the flag gives it."""
    download = datasets.DATASETS[name].download
    if not (download and download.consent and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{download.consent}. Do you agree? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _progress(name: str) -> Callable[[int, int], None]:
    """A function that shows on a terminal how far a download is."""
    last = -1

    def show(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // total
        if sys.stderr.isatty() and percent > last:
            end = "\n" if done == total else ""
            print(f"\r{name} {percent:3}% of {si(total)}bytes", end=end, file=sys.stderr)
            sys.stderr.flush()
            last = percent

    return show
