"""Oracles for single parts of the models; what all must do is in `lm.training.contract`."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from lm.architectures import ARCHITECTURES, build_model, model_config, modules, n_params
from lm.architectures.attention.config import AttentionConfig
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.shared.model import load_weights, weights
from lm.architectures.transformer.config import TransformerConfig
from lm.architectures.transformer.recipes import NANOGPT, RECIPES
from lm.training import contract
from tests.lm.architectures.strategies import model_configs

VOCAB_SIZE = 11
SMALL = {
    "linear": LinearConfig(context_length=5, d_embed=6),
    "mlp": MLPConfig(context_length=5, d_embed=6, n_layers=2, d_hidden=16),
    "attention": AttentionConfig(context_length=12, n_layers=2, n_heads=2, d_head=4, d_model=8),
    "transformer": TransformerConfig(context_length=12, n_layers=2, n_heads=2, d_model=8, d_ff=16),
}
_NGRAMS = {"ngram_order": 3, "ngram_rows": 40}  # fewer than there are: some share a row
SMALL |= {f"{name} of n-grams": SMALL[name].replace(**_NGRAMS) for name in ("mlp", "transformer")}
SMALL["two_level"] = SMALL["transformer"].replace(output="two_level", tie_embeddings=True)
every_architecture = pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)


def tokens(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCAB_SIZE, shape, generator=torch.Generator().manual_seed(seed))


def awake(config, seed: int = 0, vocab_size: int = VOCAB_SIZE):
    """A model whose every weight matters: no output is at zero."""
    return contract.awake(ARCHITECTURES[config.architecture], config, vocab_size, seed)


@every_architecture
def test_every_token_in_the_context_matters(config):
    model = awake(config)
    row = tokens(1, config.context_length)
    last = model(row)[0, -1]
    for t in range(config.context_length):
        changed = row.clone()
        changed[0, t] = (changed[0, t] + 1) % VOCAB_SIZE
        assert not torch.allclose(model(changed)[0, -1], last, atol=1e-6)


@pytest.mark.parametrize("architecture", ["linear", "mlp"])
def test_a_window_ends_where_context_length_says(architecture):
    config = SMALL[architecture]
    model = awake(config)
    row = tokens(1, config.context_length + 1)
    changed = row.clone()
    changed[0, 0] = (changed[0, 0] + 1) % VOCAB_SIZE
    assert torch.equal(model(row)[0, -1], model(changed)[0, -1])


@given(config=model_configs(), seed=st.integers(0, 1000))
def test_first_loss_is_near_uniform(config, seed):
    """But for tied matrices with PyTorch's first weights, under which a token predicts itself."""
    assume(not (config.initialization == "pytorch" and getattr(config, "tie_embeddings", False)))
    vocab_size = 65
    model = build_model(config, vocab_size, seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(vocab_size, (64, 17), generator=generator)
    model.eval()
    length = min(16, config.context_length)
    logits = model(rows[:, :length])
    loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1 : length + 1].flatten())
    assert loss.item() == pytest.approx(math.log(vocab_size), abs=0.8)


def test_ngrams_are_left_out_at_random_in_training_alone():
    config = SMALL["mlp of n-grams"].replace(ngram_dropout=0.5)
    model, whole = awake(config), awake(config.replace(ngram_dropout=0.0))
    row = tokens(2, 12)
    assert torch.equal(model(row), whole(row))
    model.train()
    assert not torch.equal(model(row), model(row))
    nn.init.zeros_(model.ngram_embedding.weight)  # what is left out are n-grams, never tokens
    assert torch.equal(model.embed(row), model.embedding(row))


def test_wrong_weights_are_named():
    model = awake(SMALL["linear"])
    tensors = dict(weights(model))
    head = tensors.pop("head.weight")
    with pytest.raises(ValueError, match=r"lack 'head\.weight'"):
        load_weights(model, tensors)
    with pytest.raises(
        ValueError, match=r"'head\.weight' as \(2, 2\); this model needs \(11, 30\)"
    ):
        load_weights(model, {**tensors, "head.weight": head[:2, :2]})


@given(config=model_configs(), vocab_size=st.integers(2, 300))
def test_parameter_formula_equals_the_model(config, vocab_size):
    model = build_model(config, vocab_size)
    assert n_params(config, vocab_size) == sum(p.numel() for p in model.parameters())
    named = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    assert named <= {module.name for module in modules(config, vocab_size)}


def test_first_weights_depend_on_the_seed_alone():
    config = SMALL["transformer"]
    torch.manual_seed(123)
    first = weights(build_model(config, VOCAB_SIZE, 5))
    torch.rand(7)
    again, other = (weights(build_model(config, VOCAB_SIZE, seed)) for seed in (5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


# --- what each option says it does ------------------------------------------------------------


def test_without_positions_attention_ignores_order():
    base = SMALL["attention"].replace(n_layers=1)
    row, swapped = tokens(1, 6, seed=3), tokens(1, 6, seed=3)
    swapped[0, [0, 1]] = row[0, [1, 0]]
    assert row[0, 0] != row[0, 1]
    for encoding in ("none", "learned", "sinusoidal", "rotary"):
        model = awake(base.replace(positional_encoding=encoding))
        same = torch.allclose(model(row)[0, -1], model(swapped)[0, -1], atol=1e-5)
        assert same == (encoding == "none")


def test_rotary_scores_depend_on_distance_alone():
    from lm.architectures.shared.self_attention_model import _rotate, _rotations

    rotations = _rotations(32, 8)
    query, key = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))

    def score(i: int, j: int) -> torch.Tensor:
        return (
            _rotate(query, rotations[:, i : i + 1]) * _rotate(key, rotations[:, j : j + 1])
        ).sum()

    assert torch.allclose(score(3, 1), score(30, 28), atol=1e-5)
    assert not torch.allclose(score(3, 1), score(4, 1), atol=1e-5)


def test_tied_embeddings_share_one_matrix():
    model = awake(SMALL["transformer"].replace(tie_embeddings=True))
    assert model.embedding.weight is model.head.weight
    assert "head.weight" not in weights(model) or "embedding.weight" not in weights(model)


def test_dropout_acts_in_training_alone():
    for name in ("mlp", "attention", "transformer"):
        model = awake(SMALL[name].replace(dropout=0.5))
        row = tokens(1, 12)
        assert torch.equal(model(row), model(row))
        model.train()
        assert not torch.equal(model(row), model(row))


def test_qk_norm_bounds_the_scores():
    config = SMALL["attention"].replace(qk_norm=True, positional_encoding="none")
    model = awake(config)
    reference = model(tokens(1, 8))
    with torch.no_grad():
        width = config.n_heads * config.head_width
        for block in model.blocks:
            block.attention.query_key_value.weight[: 2 * width] *= 100
    assert torch.allclose(model(tokens(1, 8)), reference, atol=1e-4)


def test_biases_are_there_when_asked_for():
    for name, config in SMALL.items():
        with_bias = {n for n in weights(build_model(config.replace(bias=True), 5)) if "bias" in n}
        assert with_bias, name
        assert not {n for n in weights(build_model(config.replace(bias=False), 5)) if "bias" in n}


def test_initialisations():
    config = TransformerConfig(d_model=64, n_layers=4)
    gpt2 = build_model(config.replace(initialization="gpt2"), 500)
    assert gpt2.embedding.weight.std().item() == pytest.approx(0.02, rel=0.05)
    output = gpt2.blocks[0].attention.output.weight
    assert output.std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.1)
    zero = build_model(config.replace(initialization="zero_output"), 500)
    assert not zero.head.weight.any()
    assert not zero.blocks[3].feed_forward.down.weight.any()
    assert zero.blocks[3].feed_forward.up.weight.any()


def test_one_layer_linear_is_softmax_regression():
    config = LinearConfig(context_length=3, d_embed=4)
    model = awake(config)
    row = tokens(1, 3)
    window = model.embedding(row)[0]  # (W, d_embed)
    weight = model.head.weight.view(VOCAB_SIZE, 4, 3)  # features of a token over the window
    expected = torch.einsum("we,vew->v", window, weight) + model.head.bias
    assert torch.allclose(model(row)[0, -1], expected, atol=1e-6)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("vocab_size", [1, 2, 3, 10, 16, 65, 500])
def test_two_levels_are_a_distribution_over_the_vocabulary(vocab_size, tied):
    config = SMALL["two_level"].replace(tie_embeddings=tied, initialization="pytorch")
    model = build_model(config, vocab_size)
    log_probabilities = model(torch.zeros(2, 3, dtype=torch.long))
    assert log_probabilities.shape == (2, 3, vocab_size)
    assert torch.allclose(log_probabilities.exp().sum(-1), torch.ones(2, 3), atol=1e-5)


def test_two_levels_are_a_choice_of_cluster_and_of_a_word_of_it():
    model = awake(SMALL["two_level"])  # 11 tokens: 0 to 3, 4 to 7, 8 to 10
    row = tokens(1, 6)
    features = model.features(row)[0, -1]
    p = model(row)[0, -1].exp()
    of_cluster = (model.head.clusters.weight @ features).softmax(0)
    for cluster, members in enumerate((slice(0, 4), slice(4, 8), slice(8, 11))):
        within = (model.head.weight[members] @ features).softmax(0)
        assert torch.allclose(p[members], of_cluster[cluster] * within, atol=1e-6)
        assert torch.allclose(p[members].sum(), of_cluster[cluster], atol=1e-6)


# --- oracles built from PyTorch's own layers ------------------------------------------------------


class OracleGPT(nn.Module):
    """nanoGPT's GPT assembled from nn.TransformerEncoderLayer, at evaluation."""

    def __init__(self, config: TransformerConfig, vocab_size: int) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.context_length, config.d_model)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.d_model,
                config.n_heads,
                config.d_ff,
                dropout=0.0,
                activation=config.activation,
                batch_first=True,
                norm_first=config.norm_position == "pre",
                bias=config.bias,
            )
            for _ in range(config.n_layers)
        )
        self.ln_f = nn.LayerNorm(config.d_model, bias=config.bias)
        self.pre_norm = config.norm_position == "pre"
        self.head = nn.Linear(config.d_model, vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.wte.weight

    def forward(self, token_ids):
        length = token_ids.shape[1]
        x = self.wte(token_ids) + self.wpe.weight[:length]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return self.head(self.ln_f(x) if self.pre_norm else x)


def copy_into_oracle(model, oracle: OracleGPT) -> None:
    pairs = {"embedding": "wte", "position_embedding": "wpe", "final_norm": "ln_f", "head": "head"}
    inner = {
        "attention_norm": "norm1",
        "attention.query_key_value": "self_attn.in_proj",
        "attention.output": "self_attn.out_proj",
        "feed_forward_norm": "norm2",
        "feed_forward.up": "linear1",
        "feed_forward.down": "linear2",
    }
    state = {}
    for name, tensor in model.state_dict().items():
        module, _, kind = name.rpartition(".")
        if module.startswith("blocks."):
            _, index, part = module.split(".", 2)
            joint = "_" if "in_proj" in inner[part] else "."
            state[f"blocks.{index}.{inner[part]}{joint}{kind}"] = tensor
        else:
            state[f"{pairs[module]}.{kind}"] = tensor
    missing, unexpected = oracle.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.startswith("ln_f") for name in missing)


@pytest.mark.parametrize("preset", ["nanogpt", "classic"])
def test_presets_equal_an_oracle_of_pytorch_layers(preset):
    values = NANOGPT if preset == "nanogpt" else {**RECIPES.fixed["classic"], "dropout": 0.0}
    config = model_config("transformer", **{**values, "n_layers": 2})
    model = build_model(config, 65).eval()
    oracle = OracleGPT(config, 65)
    copy_into_oracle(model, oracle)
    row = torch.randint(65, (2, 40), generator=torch.Generator().manual_seed(0))
    loss, expected = (
        F.cross_entropy(m(row[:, :-1]).flatten(0, 1), row[:, 1:].flatten()) for m in (model, oracle)
    )
    assert torch.allclose(model(row), oracle(row), atol=1e-5)
    loss.backward()
    expected.backward()
    assert torch.allclose(loss, expected)
    assert torch.allclose(model.embedding.weight.grad, oracle.wte.weight.grad, atol=1e-6)


def test_nanogpt_preset_starts_as_nanogpt_does():
    """model.py of nanoGPT: normal(0, 0.02), residual projections by 1/sqrt(2 n_layers)."""
    config = model_config("transformer", **NANOGPT)
    model = build_model(config, 65)
    assert n_params(config, 65) == 65 * 128 + 64 * 128 + 4 * (12 * 128 * 128 + 2 * 128) + 128
    for name, tensor in weights(model).items():
        if "norm" in name:
            assert (tensor == 1).all()
        elif name.endswith(("output.weight", "down.weight")):
            assert tensor.std().item() == pytest.approx(0.02 / math.sqrt(8), rel=0.05)
        else:
            assert tensor.std().item() == pytest.approx(0.02, rel=0.05)
