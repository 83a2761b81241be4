"""The architectures, each in a folder of its own, and what can be asked of all of them.

A new one is a folder like the others and a line in `ARCHITECTURES`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from lm.architectures.attention import ATTENTION
from lm.architectures.linear import LINEAR
from lm.architectures.mlp import MLP
from lm.architectures.shared.members_decoder import MembersDecoder, member_name, of_member
from lm.architectures.spec import (
    AnyArchitecture,
    Architecture,
    ArchitectureConfig,
    Arrays,
    Decoder,
    Module,
)
from lm.architectures.transformer import TRANSFORMER
from lm.base.registry import Registry, must_be_one_of
from lm.base.settings import ConfigError

if TYPE_CHECKING:  # torch costs more than a second
    from lm.architectures.shared.model import LanguageModel

ARCHITECTURES: Registry[AnyArchitecture] = Registry(
    "architecture",
    (
        LINEAR,
        MLP,
        ATTENTION,
        TRANSFORMER,
    ),
)
DEFAULT = TRANSFORMER.name


def architecture(name: str) -> AnyArchitecture:
    """The architecture of a name. Raises `ConfigError` if there is none."""
    if name not in ARCHITECTURES:
        raise ConfigError(must_be_one_of("architecture", name, ARCHITECTURES))
    return ARCHITECTURES[name]


def model_config(name: str, **values: Any) -> ArchitectureConfig:
    """The config of a named architecture. Raises `ConfigError`."""
    return architecture(name).config(**values)


def modules(config: ArchitectureConfig, vocab_size: int) -> list[Module]:
    """The parts of a model in the order of computation, by the names of their weights."""
    parts = ARCHITECTURES[config.architecture].modules(config, vocab_size)
    if config.members == 1:
        return parts
    every = product(range(config.members), parts)
    return [replace(part, name=f"{member_name(i)}.{part.name}") for i, part in every]


def n_params(config: ArchitectureConfig, vocab_size: int) -> int:
    """Trainable numbers of a model, shared ones counted once."""
    return sum(module.n_params for module in modules(config, vocab_size))


def n_table_params(config: ArchitectureConfig, vocab_size: int) -> int:
    """Those of them that lie in tables of n-grams, where they are looked up and not multiplied."""
    return sum(module.n_params for module in modules(config, vocab_size) if module.ngrams)


def build_model(config: ArchitectureConfig, vocab_size: int, seed: int = 0) -> LanguageModel:
    """A model with its first weights, which depend on `seed` alone."""
    import torch

    # torch leaves a parameter of each of these without a type
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        architecture = ARCHITECTURES[config.architecture]
        if config.members == 1:
            return architecture.build(config, vocab_size)
        from lm.architectures.shared.members_model import Members

        return Members([architecture.build(config, vocab_size) for _ in range(config.members)])


def build_decoder(config: ArchitectureConfig, vocab_size: int, weights: Arrays) -> Decoder:
    """The model with trained `weights` as plain arrays, to write with."""
    architecture = ARCHITECTURES[config.architecture]
    if config.members == 1:
        return architecture.decoder(config, vocab_size, weights)
    return MembersDecoder(
        [
            architecture.decoder(config, vocab_size, of_member(weights, i))
            for i in range(config.members)
        ]
    )


__all__ = [
    "ARCHITECTURES",
    "DEFAULT",
    "AnyArchitecture",
    "Architecture",
    "ArchitectureConfig",
    "Arrays",
    "Decoder",
    "Module",
    "architecture",
    "build_decoder",
    "build_model",
    "model_config",
    "modules",
    "n_params",
    "n_table_params",
]
