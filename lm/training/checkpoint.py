"""A run's model as torch computes with it, from its weights on disk: to score, to look inside."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load_file

from lm.architectures import build_model
from lm.architectures.shared.model import LanguageModel, load_weights
from lm.writing.loading import CheckpointError, Trained


def load_model(run: Trained, device: str = "cpu") -> LanguageModel:
    """A run's model with its trained weights, in evaluation mode. Raises `CheckpointError`."""
    path = run.weights_path
    if not path.is_file():
        raise CheckpointError(run.why_no_weights)
    model = build_model(run.config.model, run.vocab_size)
    try:
        load_weights(model, load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or not of this run ({error}).") from None
    return model.to(device).eval()
