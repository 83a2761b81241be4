"""Presets: whoever names only a budget gets a run that makes sense."""

import pytest

from lm.architectures import ARCHITECTURES, modules
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.runs.plan import plan
from lm.runs.presets import PRESETS
from lm.runs.recipes import resolve

SHAKESPEARE = {"data": DataConfig(), "vocab_size": 65, "n_train_tokens": 892_117}
PTB = {"data": DataConfig(dataset="ptb"), "vocab_size": 10_000, "n_train_tokens": 929_589}
FEW_WORDS = {"data": DataConfig(dataset="ptb"), "vocab_size": 5_000, "n_train_tokens": 44_000}


def n_weights(config, vocab_size):
    """Of the matrices: what a FLOP is spent on, tables left out."""
    return sum(
        part.weight[0] * part.weight[1] for part in modules(config, vocab_size) if part.weight
    )


@pytest.mark.parametrize("corpus", [SHAKESPEARE, PTB], ids=["characters", "words"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("budget", [1e10, 1e11, 1e12, 1e13, 1e14])
def test_a_budget_makes_a_sensible_run(architecture, budget, corpus):
    config = resolve(architecture=architecture, budget=budget, **corpus)
    the_plan = plan(config, corpus["vocab_size"], corpus["n_train_tokens"])
    spent = budget - config.training.unspent
    assert 0.95 * spent <= the_plan.flops.total <= spent
    assert the_plan.n_steps >= 40
    assert spent == budget or (architecture == "linear" and budget == 1e14)  # simple, soon sated
    if architecture == "transformer" and (corpus is SHAKESPEARE or budget >= 1e12):
        tokens_per_parameter = the_plan.tokens / n_weights(config.model, corpus["vocab_size"])
        assert 1 <= tokens_per_parameter <= 150


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_models_grow_with_the_budget(architecture):
    sizes = [
        n_weights(resolve(architecture=architecture, budget=10.0**e, **SHAKESPEARE).model, 65)
        for e in range(9, 15)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    for ladder in ARCHITECTURES[architecture].recipes.ladders.values():
        budgets = [rung.budget for rung in ladder]
        assert budgets == sorted(budgets)
        assert budgets[0] == 0


def test_what_is_named_wins():
    config = resolve(
        architecture="transformer",
        budget=1e12,
        model={"n_layers": "3", "dropout": 0.3},
        training={"batch_size": 7},
        **SHAKESPEARE,
    )
    assert (config.model.n_layers, config.model.dropout, config.training.batch_size) == (3, 0.3, 7)


@pytest.mark.parametrize("d_model", [2, 6, 10, 24, 100, 130])
def test_heads_and_feed_forward_follow_a_width_chosen_by_hand(d_model):
    config = resolve(
        architecture="transformer", budget=1e12, model={"d_model": d_model}, **SHAKESPEARE
    )
    assert config.model.d_model == d_model
    assert config.model.d_ff == 4 * d_model


@pytest.mark.parametrize(
    ("architecture", "d_model", "epochs", "dropout"),
    [
        ("transformer", 192, 1, 0.0),
        ("transformer", 192, 5, 0.1),
        ("transformer", 192, 30, 0.2),
        ("transformer", 64, 30, 0.0),
        ("attention", 64, 30, 0.0),
        ("mlp", None, 5, 0.1),
    ],
)
def test_dropout_is_for_models_with_room_for_a_text_that_repeats(
    architecture, d_model, epochs, dropout
):
    model = {"d_model": d_model, "n_layers": 4} if d_model else {}
    config = resolve(
        architecture=architecture, preset="study", epochs=epochs, model=model, **SHAKESPEARE
    )
    assert config.model.dropout == dropout


SHORT = {"data": DataConfig(), "vocab_size": 60, "n_train_tokens": 48_000}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_text_that_is_seen_more_often_is_learnt_with_more_restraint(architecture):
    def restraint(budget, corpus=SHORT):
        # one model: several see a text less often than their budget says
        config = resolve(architecture=architecture, budget=budget, model={"members": 1}, **corpus)
        return config.model.ngram_dropout, config.training.weight_decay

    new, seen_again, used_up = (restraint(budget) for budget in (3e8, 1e10, 1e11))
    assert new == (0.0, 0.1)
    assert new < seen_again <= used_up
    assert used_up[0] == 0.7
    assert restraint(3e9, SHAKESPEARE) == new
    shortest = {**SHORT, "n_train_tokens": 8_000}
    assert restraint(1e11, shortest)[0] == 0.75
    # n-grams of a longer text occur more often, so that fewer of them are left out
    assert restraint(3e13, SHAKESPEARE)[0] == 0.5


def test_tables_have_the_size_of_the_text():
    def rows(n_train_tokens, budget=1e9, members=1):
        corpus = {**SHORT, "n_train_tokens": n_train_tokens}
        model = {"members": members}
        return resolve(architecture="mlp", budget=budget, model=model, **corpus).model.ngram_rows

    assert [rows(n) for n in (500, 16_000, 60_000, 5_000_000)] == [1_024, 16_384, 65_536, 131_072]
    # n-grams share rows in a text that is seen again and again
    assert rows(60_000) > rows(60_000, 1e11) > rows(60_000, 1e12) == 8_192
    # each of several has fewer
    assert [rows(5_000_000, 1e11, members) for members in (1, 2, 4, 8)] == [
        131_072,
        65_536,
        65_536,
        32_768,
    ]


def test_smaller_tables_set_by_hand_hold_less_to_be_learnt_by_heart():
    def left_out(**model):
        config = resolve(architecture="mlp", budget=1e11, model={"members": 1, **model}, **SHORT)
        return config.model.ngram_dropout

    assert left_out(ngram_rows=8_192) == left_out() == 0.7
    assert left_out(ngram_rows=256) < left_out()


def test_softmax_regression_has_a_setup_of_its_own_for_short_texts():
    def config(budget, n_train_tokens=48_000, **model):
        corpus = {**SHORT, "n_train_tokens": n_train_tokens}
        return resolve(architecture="linear", budget=budget, model=model, **corpus)

    budgets = (1e9, 3e9, 1e11, 1e12)
    short, longer = [[config(b, n) for b in budgets] for n in (48_000, 480_000)]
    assert {c.model.context_length for c in short} == {5}
    assert {c.training.batch_size for c in short[1:]} == {8}
    assert longer[-1].model.context_length > 5
    assert longer[-1].training.batch_size > 8
    # its tables stay as large however often the text is seen
    assert {c.model.ngram_rows for c in short} == {65_536}
    # and its weights decay little, though more the shorter the text is
    assert 0.1 <= short[-1].training.weight_decay < 0.15
    assert config(1e12, 8_000).training.weight_decay > 0.2
    assert config(1e11, context_length=8).model.context_length == 8


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_characters_are_not_taken_for_words_however_many_there_are(architecture):
    many = {"vocab_size": 3_247, "n_train_tokens": 92_280}
    characters, words = (
        resolve(architecture=architecture, budget=1e11, data=data, **many).model
        for data in (DataConfig(tokenizer="char"), DataConfig(dataset="ptb"))
    )
    assert characters.ngram_order == 5
    assert words.ngram_order == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_several_models_share_a_budget_that_one_cannot_use(architecture):
    def config(budget, corpus=SHORT, **model):
        return resolve(architecture=architecture, budget=budget, model=model, **corpus)

    assert config(1e9).model.members == config(1e10, SHAKESPEARE).model.members == 1
    several = next(c for c in map(config, (1e12, 1e13)) if c.model.members > 1)
    budget, steps = several.training.most_flops, plan(several, 60, 48_000)
    assert 0.95 * budget <= steps.flops.total <= budget
    assert steps.tokens >= 0.95 * 9 * 48_000  # each has read the text so often
    assert config(1e12, members=3).model.members == 3  # what is named wins
    # a larger budget does not bring fewer of them
    counts = [config(b).model.members for b in (1e11, 3e11, 1e12, 1.3e12, 1.6e12, 3e12, 1e13)]
    assert counts == sorted(counts)
    assert resolve(architecture=architecture, epochs=200, **SHORT).model.members == 1


def test_a_model_of_words_is_joined_by_others_once_its_text_is_used_up():
    def config(budget, corpus=PTB, **model):
        return resolve(architecture="transformer", budget=budget, model=model, **corpus)

    budgets = (3e12, 1e13, 2e13, 3e13, 5e13, 1e14)
    assert [config(budget).model.members for budget in budgets] == [1, 1, 2, 3, 5, 8]
    assert config(3e13).model.d_model == config(1e13).model.d_model
    assert config(3e13, members=3) == config(3e13)
    longer = {**PTB, "n_train_tokens": 2_088_628}
    assert config(3e13, longer).model.members == 1
    shorter = {**PTB, "n_train_tokens": 100_000}
    assert [config(b, shorter).model.members for b in (1e11, 3e11, 3e12)] == [1, 2, 8]
    # six of a size that two have had, rather than eight that are smaller
    medium = {**PTB, "vocab_size": 8_245, "n_train_tokens": 174_121}
    two, six = config(1e12, medium).model, config(3e12, medium).model
    assert (two.members, six.members) == (2, 6)
    assert two.d_model == six.d_model


@pytest.mark.parametrize("architecture", ["linear", "mlp"])
def test_weights_over_a_window_of_words_decay_more_where_there_are_few_words(architecture):
    def decay(corpus, budget=1e12, **training):
        config = resolve(architecture=architecture, budget=budget, training=training, **corpus)
        return config.training.weight_decay

    more_words = {**PTB, "n_train_tokens": 40_000_000}
    assert decay(more_words) == 0.1 < decay(PTB) < decay(FEW_WORDS) < 2
    assert decay(FEW_WORDS, budget=1e10) == decay(FEW_WORDS)  # however often they are seen
    assert decay(FEW_WORDS, weight_decay=0.5) == 0.5


@pytest.mark.parametrize("n_train_tokens", [240_000, 370_000])
def test_two_models_are_each_what_half_of_the_budget_buys_alone(n_train_tokens):
    corpus = {**SHAKESPEARE, "n_train_tokens": n_train_tokens}
    two = resolve(architecture="transformer", budget=1e12, **corpus)
    alone = resolve(architecture="transformer", budget=5e11, model={"members": 1}, **corpus)
    assert two.model.members == 2
    assert two.model.d_model == alone.model.d_model


def test_as_many_as_the_rules_choose_get_the_same_settings_when_they_are_named():
    chosen = resolve(architecture="transformer", budget=3e13, **SHAKESPEARE)
    assert chosen.model.members == 2
    named = resolve(architecture="transformer", budget=3e13, model={"members": 2}, **SHAKESPEARE)
    assert named == chosen
    # each is chosen for its share of the budget
    three = resolve(architecture="transformer", budget=3e10, model={"members": 3}, **SHAKESPEARE)
    one = resolve(architecture="transformer", budget=1e10, **SHAKESPEARE)
    assert three.model.d_model == one.model.d_model
    assert three.model.ngram_rows < one.model.ngram_rows


def test_models_that_share_the_rows_of_tables_are_held_back_as_one_alone():
    """Two share 131,072 rows; each has seen the text so often as one for half of the budget."""
    by_hand = {"d_model": 96, "n_layers": 1}
    two = resolve(
        architecture="transformer", budget=4e12, model={**by_hand, "members": 2}, **SHAKESPEARE
    )
    one = resolve(
        architecture="transformer", budget=2e12, model={**by_hand, "members": 1}, **SHAKESPEARE
    )
    assert two.model.ngram_rows == one.model.ngram_rows // 2
    assert two.model.ngram_dropout == one.model.ngram_dropout
    assert two.training.weight_decay == one.training.weight_decay


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_run_keeps_to_what_its_text_is_worth(architecture):
    def config(budget, corpus=SHORT, **training):
        return resolve(architecture=architecture, budget=budget, training=training, **corpus)

    assert config(1e10).training.budget_cap is None
    capped = config(1e14)
    cap = capped.training.budget_cap
    assert 3e11 < cap <= 3e12
    assert (capped.training.budget, capped.training.unspent) == (1e14, 1e14 - cap)
    assert 0.95 * cap <= plan(capped, 60, 48_000).flops.total <= cap
    assert capped.model == config(cap).model  # a larger budget buys no larger model either
    # who sets the cap, spends
    assert config(1e14, budget_cap=1e18).training.unspent == 0
    assert config(1e12, budget_cap=1e11).training.unspent == 9e11
    # a text ten times as long is worth more than ten times as much
    longer = config(1e15, {**SHORT, "n_train_tokens": 480_000}).training.budget_cap
    assert longer > 10 * cap
    assert resolve(architecture=architecture, epochs=500, **SHORT).training.budget_cap is None
    # of words, too, which eight models at most learn
    of_words = resolve(architecture=architecture, budget=1e17, **PTB)
    assert of_words.model.members == 8
    assert 1e14 < of_words.training.budget_cap < 1e16
    assert config(1e14, FEW_WORDS).training.budget_cap < 1e14


def test_a_model_grows_once_it_reads_enough_of_a_text():
    def size(n_train_tokens, budget=1e12):
        corpus = {**SHAKESPEARE, "n_train_tokens": n_train_tokens}
        return resolve(architecture="transformer", budget=budget, **corpus).model.d_model

    assert size(900_000) == 96  # it reads 0.9 million tokens
    assert size(1_500_000) == size(2_000_000) == 64
    assert size(4_000_000) == size(40_000_000) == 32  # of a long text, four million tokens will do


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_resolve_without_a_budget(preset):
    config = resolve(architecture="transformer", preset=preset, steps=10, **SHAKESPEARE)
    assert (config.preset, config.training.steps) == (preset, 10)


def test_unknown_names_are_named():
    with pytest.raises(ConfigError, match="preset must be one of modern, study, classic, nanogpt"):
        resolve(architecture="mlp", preset="modem", budget=1e12, **SHAKESPEARE)
    with pytest.raises(ConfigError, match="belongs to architecture 'transformer'"):
        resolve(architecture="mlp", preset="nanogpt", budget=1e12, **SHAKESPEARE)
    with pytest.raises(ConfigError, match="architecture must be one of"):
        resolve(architecture="rnn", budget=1e12, **SHAKESPEARE)
    with pytest.raises(ConfigError, match="exclude each other"):
        resolve(architecture="mlp", budget=1e12, steps=3, **SHAKESPEARE)
    with pytest.raises(ConfigError, match=r"^model\.d_model must be a whole number"):
        resolve(architecture="transformer", budget=1e12, model={"d_model": "wide"}, **SHAKESPEARE)
