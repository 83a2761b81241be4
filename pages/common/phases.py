"""What a run is doing: the state in its folder, and what the queue adds to it."""

from typing import Literal

from lm.runs import Run
from pages.common import caches

Color = Literal["gray", "blue", "orange", "green", "red"]
BADGES: dict[str, tuple[Color, str]] = {
    "created": ("gray", "ready to start"),
    "waiting": ("gray", "waiting for a free core"),
    "starting": ("gray", "starting"),
    "running": ("blue", "training"),
    "compiling": ("blue", "compiling its steps"),
    "evaluating": ("blue", "scoring validation and test"),
    "paused": ("orange", "paused"),
    "stopped": ("orange", "stopped"),
    "complete": ("green", "complete"),
    "failed": ("red", "failed"),
    "interrupted": ("red", "interrupted"),
}
BUSY = ("waiting", "starting", "running", "compiling", "evaluating")


def phase(run: Run) -> str:
    """What a run is doing: a key of `BADGES`."""
    queue = caches.jobs()
    if run.run_id in queue.waiting():
        return "waiting"
    if run.state == "running":
        if run.status.compiling:
            return "compiling"
        return "evaluating" if run.status.step >= run.n_steps else "running"
    return "starting" if run.run_id in queue.active() else run.state


def busy(run: Run) -> bool:
    """Whether the run is training or scoring, or about to."""
    return phase(run) in BUSY
