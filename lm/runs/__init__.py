"""Runs: what they are asked to do, what they will take, and their folders on disk."""

from lm.runs.errors import (
    BrokenRunError,
    DiskFullError,
    RunBusyError,
    RunError,
    RunNotFoundError,
    ShippedRunError,
)
from lm.runs.run import RESUMABLE, Request, Run, is_locked, read_run, upgrade
from lm.runs.status import Facts, State, Status
from lm.runs.store import LADDER, STUDY, SWEEPS, RunStore, Scan, default_root
from lm.runs.writer import RunWriter

__all__ = [
    "LADDER",
    "RESUMABLE",
    "STUDY",
    "SWEEPS",
    "BrokenRunError",
    "DiskFullError",
    "Facts",
    "Request",
    "Run",
    "RunBusyError",
    "RunError",
    "RunNotFoundError",
    "RunStore",
    "RunWriter",
    "Scan",
    "ShippedRunError",
    "State",
    "Status",
    "default_root",
    "is_locked",
    "read_run",
    "upgrade",
]
