"""What every model of this program is: token ids (B, T) in, logits (B, T, V) out.

B is rows, T positions, V the vocabulary. A model knows nothing of samplers or FLOPs, and of losses
only its head does. `features` is everything below the output matrix, for callers that need few of
the logits.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from lm.architectures.shared.heads import Head
from lm.architectures.spec import ArchitectureConfig


class LanguageModel(nn.Module):
    """A next-token predictor. Position t sees tokens 0..t of its row and those before."""

    head: Head

    def __init__(self, config: ArchitectureConfig, vocab_size: int) -> None:
        super().__init__()
        self.config, self.vocab_size = config, vocab_size

    def features(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, d), what the head reads.

        `before`: the `config.lookback` tokens before each row, (B, lookback); None at the start of
        a text.
        """
        raise NotImplementedError

    def forward(self, token_ids: Tensor, before: Tensor | None = None) -> Tensor:
        return self.head(self.features(token_ids, before))


def weights(model: LanguageModel) -> dict[str, Tensor]:
    """The trainable tensors by name, a shared one once."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def load_weights(model: LanguageModel, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors`, as `weights` gave them, into `model`.

    Raises ValueError naming the first tensor that is missing, unknown or of another shape.
    """
    own = weights(model)
    for name in sorted(own.keys() ^ tensors.keys()):
        raise ValueError(f"The weights {'lack' if name in own else 'have an unknown'} {name!r}.")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise ValueError(
                f"The weights hold {name!r} as {tuple(tensors[name].shape)}; "
                f"this model needs {tuple(tensor.shape)}."
            )
        tensor.copy_(tensors[name])
