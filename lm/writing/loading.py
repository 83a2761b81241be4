"""A run's model from its weights on disk, to write with: as plain arrays, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from lm.architectures import Decoder, build_decoder, n_params
from lm.runs.config import RunConfig


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another model; the message says which."""


class Trained(Protocol):
    """The part of a run that its model is made from."""

    @property
    def config(self) -> RunConfig: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def weights_path(self) -> Path: ...
    @property
    def why_no_weights(self) -> str: ...


def load_decoder(run: Trained) -> Decoder:
    """A run's model with its trained weights, to write with. Raises `CheckpointError`."""
    path, vocab_size = run.weights_path, run.vocab_size
    if not path.is_file():
        raise CheckpointError(run.why_no_weights)
    try:
        arrays = load_file(path)
        size, expected = (
            sum(a.size for a in arrays.values()),
            n_params(run.config.model, vocab_size),
        )
        if size != expected:
            raise ValueError(f"{size:,} parameters, not {expected:,}")
        decoder = build_decoder(run.config.model, vocab_size, arrays)
        decoder.fresh().logits(np.zeros((1, 1), dtype=np.int64))  # shapes that do not fit
    except (SafetensorError, OSError, ValueError, LookupError) as error:
        raise CheckpointError(f"{path} is damaged or not of this run ({error}).") from None
    return decoder
