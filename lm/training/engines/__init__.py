"""What takes the steps of a training.

An engine has the model and its optimizers, and three methods that matter: `take` some steps,
`tensors` that a later step depends on, and `weights`. `eager` calls PyTorch operator by operator,
`divided` shares the rows of each step among processes, and `compiled` makes a program of the step.
"""

from __future__ import annotations

from torch import Tensor

from lm.architectures.shared.model import LanguageModel
from lm.runs import Run
from lm.training.engines.divided import Divided, can_fork
from lm.training.engines.eager import Eager


def engine_of(run: Run, model: LanguageModel, token_ids: Tensor) -> Eager:
    """The engine that a run's facts name; `token_ids` (N,) is its train split."""
    n_threads = run.facts.threads
    if run.facts.engine == "eager" or token_ids.device.type != "cpu":
        if n_threads > 1 and can_fork(token_ids.device):
            return Divided(model, run.config, token_ids, n_threads)
        return Eager(model, run.config, token_ids)
    try:
        from lm.training.engines.compiled.engine import Compiled
    except ImportError as error:
        engine = Eager(model, run.config, token_ids)
        engine.not_compiled = str(error)
        return engine
    return Compiled(model, run.config, token_ids, n_threads)
