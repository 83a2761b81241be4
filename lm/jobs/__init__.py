"""Trainings in processes of their own, started and steered from a long-lived one."""

from lm.jobs.queue import JobQueue

__all__ = ["JobQueue"]
