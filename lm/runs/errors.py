"""What can be wrong with runs on disk. Every message is one clear sentence, or two."""


class RunError(ValueError):
    """Something about a run on disk; the message is one clear sentence, or two."""


class RunNotFoundError(RunError):
    """No run, or more than one, answers to a name."""


class RunBusyError(RunError):
    """Another process holds the run."""


class ShippedRunError(RunError):
    """An attempt to change a run that came with the repository."""


class BrokenRunError(RunError):
    """A folder whose files cannot be read as a run."""


class DiskFullError(RunError):
    """There is no room for what a run writes."""
