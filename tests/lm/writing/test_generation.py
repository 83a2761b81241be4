"""Drawing, reading past the context, and text from checkpoints."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from lm.architectures import build_model
from lm.architectures.attention.config import AttentionConfig
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.shared.model import weights
from lm.architectures.transformer.config import TransformerConfig
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.datasets.tokenizers import ByteTokenizer, CharTokenizer, UnknownTokenError, WordTokenizer
from lm.runs.config import RunConfig
from lm.training.checkpoint import load_model
from lm.updates.config import TrainingConfig
from lm.writing.generation import (
    GeneratedToken,
    NonFiniteLogitsError,
    as_decoder,
    draw,
    filter_distribution,
    generate,
    generate_several,
    next_token_logits,
    prompt_ids,
    softmax,
    text_pieces,
)
from lm.writing.loading import CheckpointError, load_decoder
from lm.writing.sampling import Sampling

VOCAB_SIZE = 17
SHAPES = {
    "linear": LinearConfig(context_length=64, d_embed=4),
    "mlp": MLPConfig(context_length=64, d_embed=4, n_layers=1, d_hidden=16),
    "attention": AttentionConfig(context_length=64, n_layers=2, n_heads=2, d_head=4, d_model=8),
    "transformer": TransformerConfig(context_length=64, n_layers=2, n_heads=2, d_model=8, d_ff=16),
}
SHAPES["two_level"] = SHAPES["attention"].replace(output="two_level")
every_architecture = pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
LOGITS = np.log([0.1, 0.4, 0.2, 0.2, 0.1])


def build(config, seed=0):
    """A model with opinions: large random weights everywhere."""
    model = build_model(config.replace(initialization="pytorch"), VOCAB_SIZE, seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    return model


def written(model, prompt, n_tokens=40, use_cache=True, **sampling):
    tokens = generate(model, prompt, n_tokens, Sampling(**sampling), use_cache=use_cache)
    return [token.token_id for token in tokens]


# --- filters and draws --------------------------------------------------------------------


def test_unfiltered_is_softmax():
    np.testing.assert_allclose(filter_distribution(LOGITS, Sampling()), np.exp(LOGITS))


def test_temperature_divides_logits():
    probabilities = filter_distribution(LOGITS, Sampling(temperature=0.5))
    np.testing.assert_allclose(probabilities, np.exp(LOGITS) ** 2 / 0.26)


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-12])
def test_coldest_is_the_likeliest_and_of_equals_the_first(temperature):
    probabilities = filter_distribution([0.0, 2.0, 1.0, 2.0], Sampling(temperature=temperature))
    assert probabilities.sum() == 1
    assert probabilities[1] >= 0.5
    if temperature == 0:
        assert probabilities.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"top_k": 1}, [0, 1, 0, 0, 0]),
        ({"top_k": 2}, [0, 4 / 6, 2 / 6, 0, 0]),  # of two equals the smaller id
        ({"top_k": 99}, [0.1, 0.4, 0.2, 0.2, 0.1]),
        ({"top_p": 0.4}, [0, 1, 0, 0, 0]),
        ({"top_p": 0.45}, [0, 4 / 6, 2 / 6, 0, 0]),
        ({"top_p": 1e-9}, [0, 1, 0, 0, 0]),
        ({"min_p": 0.5}, [0, 0.5, 0.25, 0.25, 0]),
        ({"min_p": 1.0}, [0, 1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.7}, [0, 4 / 6, 2 / 6, 0, 0]),  # top_p of what top_k left
        ({"temperature": 0.5, "min_p": 0.5}, [0, 1, 0, 0, 0]),  # min_p after temperature
    ],
)
def test_filters(sampling, expected):
    np.testing.assert_allclose(
        filter_distribution(LOGITS, Sampling(**sampling)), expected, atol=1e-12
    )


@given(
    logits=st.lists(st.floats(-50, 50), min_size=1, max_size=30),
    temperature=st.floats(0, 10),
    top_k=st.none() | st.integers(1, 40),
    top_p=st.floats(0, 1, exclude_min=True),
    min_p=st.floats(0, 1),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_filters_keep_the_likeliest_and_draws_stay_inside(
    logits, temperature, top_k, top_p, min_p, uniform
):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    probabilities = filter_distribution(np.array(logits), sampling)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[int(np.argmax(logits))] > 0
    assert probabilities[draw(probabilities, uniform)] > 0


def test_draws_follow_the_distribution():
    probabilities = np.array([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    uniforms = (np.arange(1000) + 0.5) / 1000
    counts = np.bincount([draw(probabilities, u) for u in uniforms], minlength=6)
    assert counts.tolist() == [0, 500, 0, 300, 200, 0]


def test_the_last_uniform_stays_inside():
    assert draw(np.array([0.1] * 7 + [0.0]), np.nextafter(1.0, 0)) == 6
    assert draw(np.array([0.0, 1.0]), 0.0) == 1


# --- reading ------------------------------------------------------------------------------


@every_architecture
def test_cache_changes_nothing_far_past_the_context(config):
    model = build(config)
    cached = written(model, [1, 2, 3], 300, seed=5)
    assert written(model, [1, 2, 3], 300, use_cache=False, seed=5) == cached
    assert len(set(cached)) > 5


@every_architecture
@pytest.mark.parametrize("context_length", [1, 2, 3, 7])
def test_cache_changes_nothing_at_odd_contexts(config, context_length):
    model = build(config.replace(context_length=context_length))
    for prompt in ([1], [1, 2, 3, 4, 5, 6, 7, 8]):
        assert written(model, prompt) == written(model, prompt, use_cache=False)


@pytest.mark.parametrize("options", [{"tie_embeddings": True}, {"norm_position": "post"}])
@pytest.mark.parametrize("positional_encoding", ["none", "learned", "sinusoidal", "rotary"])
def test_cache_changes_nothing_under_options(options, positional_encoding):
    config = SHAPES["transformer"].replace(
        context_length=16, positional_encoding=positional_encoding, **options
    )
    model = build(config)
    assert written(model, [1], 60) == written(model, [1], 60, use_cache=False)


@every_architecture
def test_a_text_cut_anywhere_goes_on_as_it_would_have(config):
    model = build(config.replace(context_length=12))
    text = [1, 2, 3, *written(model, [1, 2, 3], 60)]
    for cut in (1 + 3, 12, 13, 20, 45):
        assert text[:cut] + written(model, text[:cut], 63 - cut) == text


@every_architecture
def test_rows_are_what_the_rule_says(config):
    """Logits equal a plain forward over text[first_read:], whole windows or half and more."""
    model = build(config.replace(context_length=10)).eval()
    text = np.random.default_rng(0).integers(VOCAB_SIZE, size=50).tolist()
    for n in range(1, 50):
        start = as_decoder(model).first_read(n)
        if n <= 10 or config.architecture in ("linear", "mlp"):
            assert start == max(0, n - 10)
        else:
            assert 5 <= n - start <= 10
            assert start in (as_decoder(model).first_read(n - 1), n - 5)
        expected = model(torch.tensor([text[start:n]]))[0, -1].detach().numpy()
        np.testing.assert_allclose(next_token_logits(model, text[:n]), expected, atol=1e-5)


@every_architecture
def test_same_seed_same_text_at_any_thread_count(config):
    model, texts = build(config), []
    n_threads = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        texts.append(written(model, [1], 100, seed=3))
    torch.set_num_threads(n_threads)
    assert texts[0] == texts[1] == written(model, [1], 100, seed=3)
    assert texts[0] != written(model, [1], 100, seed=4)


@every_architecture
def test_a_shorter_text_begins_a_longer_one_and_streams(config):
    model = build(config)
    tokens = generate(model, [1], 10**9, Sampling(temperature=0.8, top_k=5))
    assert [next(tokens).token_id for _ in range(9)] == written(
        model, [1], 9, temperature=0.8, top_k=5
    )


@every_architecture
def test_several_texts_are_written_as_each_alone(config):
    model = build(config.replace(context_length=12))
    samplings = [Sampling(seed=1), Sampling(seed=2), Sampling(temperature=0)]
    rows = list(generate_several(model, [1, 2], 40, samplings))
    for text, sampling in zip(zip(*rows, strict=True), samplings, strict=True):
        alone = list(generate(model, [1, 2], 40, sampling))
        assert [token.token_id for token in text] == [token.token_id for token in alone]


def test_two_texts_in_the_making_do_not_disturb_each_other():
    decoder = as_decoder(build(SHAPES["transformer"]))
    first = generate(decoder, [1], 30, Sampling(seed=1))
    second = generate(decoder, [2, 3], 30, Sampling(seed=2))
    pairs = [(next(first).token_id, next(second).token_id) for _ in range(30)]
    assert [a for a, _ in pairs] == written(decoder, [1], 30, seed=1)
    assert [b for _, b in pairs] == written(decoder, [2, 3], 30, seed=2)


def test_probability_is_the_models_own():
    model = build(SHAPES["transformer"])
    text = [1]
    for token in generate(model, [1], 80, Sampling(temperature=3, top_k=9), n_alternatives=3):
        own = softmax(next_token_logits(model, text))
        assert token.probability == pytest.approx(own[token.token_id], rel=1e-3)
        assert token.surprise == -np.log(token.probability)
        assert [i for i, _ in token.alternatives] == np.argsort(-own)[:3].tolist()
        assert np.argsort(-own)[token.rank - 1] == token.token_id
        text.append(token.token_id)


def test_of_equally_likely_tokens_the_smaller_id_ranks_first():
    model = build(SHAPES["linear"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    for token in generate(model, [1], 30, Sampling()):
        assert token.rank == token.token_id + 1


def test_greedy_takes_the_likeliest_whatever_the_seed():
    model = build(SHAPES["mlp"])
    text = written(model, [1], temperature=0, seed=1)
    assert text == written(model, [1], temperature=0, seed=2)
    assert text[0] == next_token_logits(model, [1]).argmax()


def test_leaves_the_models_mode_and_the_callers_gradients_alone():
    model = build(SHAPES["transformer"].replace(dropout=0.5)).train()
    tokens = generate(model, [1], 3, Sampling())
    next(tokens)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    tokens.close()
    assert model.training
    next_token_logits(model, [1])
    assert model.training


@pytest.mark.parametrize(
    ("text", "words"), [([], "at least one token"), ([VOCAB_SIZE], "17"), ([0, -1], "-1")]
)
def test_texts_that_cannot_be_continued(text, words):
    model = build(SHAPES["linear"])
    with pytest.raises(ValueError, match=words):
        next(generate(model, text, 1, Sampling()))
    with pytest.raises(ValueError, match=words):
        next_token_logits(model, text)


def test_diverged_weights_say_so():
    model = build(SHAPES["linear"])
    with torch.no_grad():
        model.head.weight.fill_(torch.nan)
    with pytest.raises(NonFiniteLogitsError, match="diverged"):
        next(generate(model, [1], 1, Sampling()))


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -0.1},
        {"temperature": 11},
        {"temperature": float("nan")},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -1},
        {"seed": -1},
    ],
    ids=str,
)
def test_impossible_sampling(bad):
    with pytest.raises(ConfigError, match=f"^{next(iter(bad))} must be .* Received: "):
        Sampling(**bad)


# --- text ---------------------------------------------------------------------------------

WORDS = WordTokenizer(("the", "cat", "<eos>", "<unk>"))


def test_an_empty_prompt_starts_from_a_line_end():
    assert prompt_ids(CharTokenizer("\nab"), "") == [0]
    assert prompt_ids(CharTokenizer("ab"), "") == [0]
    assert prompt_ids(WORDS, "") == [2]
    assert prompt_ids(ByteTokenizer(), "") == [10]
    assert prompt_ids(WORDS, "the dog") == [0, 3]
    with pytest.raises(UnknownTokenError, match="é"):
        prompt_ids(CharTokenizer("ab"), "é")


@given(st.lists(st.sampled_from([*"aé€😀".encode(), 0xFF, 0x80]), max_size=30), st.data())
def test_pieces_of_bytes_join_to_the_text(token_ids, data):
    cut = data.draw(st.integers(0, len(token_ids)))
    _check_pieces(ByteTokenizer(), token_ids, cut)


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 5))
def test_pieces_of_words_join_to_the_text(token_ids, cut):
    _check_pieces(WORDS, token_ids, cut)


def _check_pieces(tokenizer, token_ids, cut):
    tokens = [GeneratedToken(token_id=i, probability=1.0) for i in token_ids[cut:]]
    pieces = list(text_pieces(tokenizer, token_ids[:cut], tokens))
    before = tokenizer.decode(token_ids[:cut]).removesuffix("\ufffd")
    assert before + "".join(pieces) == tokenizer.decode(token_ids)


def test_pieces_come_one_by_one():
    tokens = (GeneratedToken(token_id=i, probability=1.0) for i in "aé".encode())
    assert list(text_pieces(ByteTokenizer(), [10], tokens)) == ["a", "", "é", ""]


# --- models from disk ---------------------------------------------------------------------


def trained_run(tmp_path, config):
    """A run folder as far as `load_model` reads it."""
    run = SimpleNamespace(
        config=RunConfig(data=DataConfig(), model=config, training=TrainingConfig(steps=1)),
        vocab_size=VOCAB_SIZE,
        weights_path=tmp_path / "model.safetensors",
        why_no_weights="There is no model.safetensors.",
    )
    save_file(weights(build(config)), run.weights_path)
    return run


@pytest.mark.parametrize("architecture", SHAPES)
def test_a_loaded_model_writes_the_same(tmp_path, architecture):
    config = SHAPES[architecture]
    model = load_model(trained_run(tmp_path, config))
    assert not model.training
    assert written(model, [1]) == written(build(config), [1])
    assert written(load_decoder(trained_run(tmp_path, config)), [1]) == written(model, [1])


def _remove(path):
    path.unlink()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path):
    path.write_bytes(b"")


def _scramble_header(path):
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff\x00" + content[22:])


def _of_another_model(path):
    save_file(weights(build(SHAPES["linear"])), path)


def _of_another_shape(path):
    save_file(weights(build(SHAPES["mlp"].replace(d_hidden=8))), path)


def _pickle(path):
    torch.save({"head.weight": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    "damage",
    [_remove, _cut, _empty, _scramble_header, _of_another_model, _of_another_shape, _pickle],
)
@pytest.mark.parametrize("load", [load_model, load_decoder])
def test_a_damaged_checkpoint_is_a_sentence(tmp_path, damage, load):
    run = trained_run(tmp_path, SHAPES["mlp"])
    damage(run.weights_path)
    with pytest.raises(CheckpointError, match=r"model\.safetensors") as caught:
        load(run)
    assert "\n" not in str(caught.value)
