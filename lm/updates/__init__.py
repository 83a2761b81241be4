"""How weights are updated: optimizers and learning-rate schedules.

A new optimizer is a file like the others and a line in `UPDATES`; a new schedule is a line in
`lm.updates.schedules`.
"""

from __future__ import annotations

from lm.base.registry import Registry
from lm.updates.adamw import AdamW
from lm.updates.muon import Muon
from lm.updates.schedules import SCHEDULES, Schedule
from lm.updates.sgd import SGD
from lm.updates.spec import Update

UPDATES: Registry[Update] = Registry(
    "optimizer",
    (
        AdamW(),
        SGD(),
        Muon(),
    ),
)

__all__ = ["SCHEDULES", "UPDATES", "Schedule", "Update"]
