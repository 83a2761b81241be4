"""Training runs in processes of their own, started and steered from a long-lived one.

`queue` trains on this machine, `cluster` on the machines of a Ray cluster; both are an `Executor`
of `executors`. `sweeps` gives such an executor many runs.
"""

from lm.jobs.queue import JobQueue

__all__ = ["JobQueue"]
