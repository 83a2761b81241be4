"""What a person said, before a run began, that its validation loss would be at the end.

It is a file of its own in the run's folder, which nothing but a page reads: a run is the same run
with it and without it.
"""

from __future__ import annotations

from lm.base.checked import JsonError, JsonObject, parse_json
from lm.base.files import replace_json
from lm.runs.errors import RunError
from lm.runs.run import Run, refusals_explained

FILE = "guess.json"
MOST = 20.0  # nats per token: guessing uniformly among half a billion tokens


def write_guess(run: Run, loss: float) -> None:
    """Keep a guess of the final validation loss, nats per token, beside the run."""
    with refusals_explained(run.path):
        replace_json(run.path / FILE, {"final_val_loss": loss}, shared=True)


def read_guess(run: Run) -> float | None:
    """The guess that was made for a run, nats per token; None if there was none.

    Raises `RunError`, with a sentence, for a file that holds no guess.
    """
    try:
        loss = JsonObject(parse_json((run.path / FILE).read_bytes())).number("final_val_loss")
        if not 0 < loss <= MOST:
            raise JsonError(
                f"final_val_loss must be above 0 and up to {MOST:g}. Received: {loss:g}."
            )
    except FileNotFoundError:
        return None
    except (JsonError, OSError) as error:
        reason = str(error).rstrip(".")
        raise RunError(f"The guess beside this run is left out: {FILE}: {reason}.") from None
    return loss
