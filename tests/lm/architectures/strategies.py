"""Random configs for hypothesis, over every architecture and option."""

from hypothesis import strategies as st

from lm.architectures import ArchitectureConfig, modules
from lm.architectures.attention.config import AttentionConfig
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.transformer.config import TransformerConfig
from lm.updates import UPDATES
from lm.updates.config import TrainingConfig

INITIALIZATIONS = st.sampled_from(["pytorch", "gpt2", "zero_output"])
DROPOUTS = st.sampled_from([0.0, 0.1, 0.5])


def reaches(longest: int) -> st.SearchStrategy[dict[str, int]]:
    """How far a model looks back, and the n-grams that fit into it."""
    return st.integers(1, longest).flatmap(
        lambda length: st.fixed_dictionaries(
            {
                "context_length": st.just(length),
                "ngram_order": st.integers(1, min(length, 4)),
                "ngram_rows": st.integers(1, 300),
                "ngram_dropout": st.sampled_from([0.0, 0.4]),
            }
        )
    )


def linear_configs() -> st.SearchStrategy[LinearConfig]:
    return st.builds(
        lambda reach, **values: LinearConfig(**reach, **values),
        reaches(12),
        d_embed=st.integers(1, 24),
        bias=st.booleans(),
        initialization=INITIALIZATIONS,
    )


def mlp_configs() -> st.SearchStrategy[MLPConfig]:
    return st.builds(
        lambda reach, **values: MLPConfig(**reach, **values),
        reaches(12),
        d_embed=st.integers(1, 24),
        n_layers=st.integers(1, 4),
        d_hidden=st.integers(1, 48),
        activation=st.sampled_from(["relu", "gelu", "relu2"]),
        dropout=DROPOUTS,
        bias=st.booleans(),
        initialization=INITIALIZATIONS,
    )


_SHARED = {
    "n_layers": st.integers(1, 3),
    "n_heads": st.integers(1, 4),
    "positional_encoding": st.sampled_from(["none", "learned", "sinusoidal", "rotary"]),
    "norm": st.sampled_from(["layer", "rms"]),
    "norm_position": st.sampled_from(["pre", "post"]),
    "tie_embeddings": st.booleans(),
    "output": st.sampled_from(["softmax", "two_level"]),
    "dropout": DROPOUTS,
    "bias": st.booleans(),
    "qk_norm": st.booleans(),
    "initialization": INITIALIZATIONS,
}


@st.composite
def attention_configs(draw: st.DrawFn) -> AttentionConfig:
    values = {**draw(reaches(24)), **{name: draw(part) for name, part in _SHARED.items()}}
    even = values["positional_encoding"] == "rotary"
    d_head = draw(st.integers(1, 12)) * (2 if even else 1)
    return AttentionConfig(d_head=d_head, d_model=draw(st.integers(2, 48)), **values)


@st.composite
def transformer_configs(draw: st.DrawFn) -> TransformerConfig:
    values = {**draw(reaches(24)), **{name: draw(part) for name, part in _SHARED.items()}}
    even = values["positional_encoding"] == "rotary"
    d_model = values["n_heads"] * draw(st.integers(1, 12)) * (2 if even else 1)
    return TransformerConfig(
        d_model=d_model,
        d_ff=draw(st.integers(1, 64)),
        activation=draw(st.sampled_from(["relu", "gelu", "relu2", "swiglu"])),
        **values,
    )


def model_configs() -> st.SearchStrategy[ArchitectureConfig]:
    return st.one_of(linear_configs(), mlp_configs(), attention_configs(), transformer_configs())


@st.composite
def training_configs(draw: st.DrawFn, model: ArchitectureConfig) -> TrainingConfig:
    parts = modules(model, vocab_size=2)
    optimizers = [name for name, update in UPDATES.items() if update.refuses(parts) is None]
    return TrainingConfig(
        steps=3,
        optimizer=draw(st.sampled_from(optimizers)),
        objective=draw(st.sampled_from(["all_positions", "last_position"])),
        precision=draw(st.sampled_from(["float32", "bfloat16"])),
        z_loss=draw(st.sampled_from([0.0, 0.1])),
    )
