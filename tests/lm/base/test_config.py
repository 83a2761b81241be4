"""Impossible configs cannot exist; errors name field, rule and value."""

import math

import pytest
from hypothesis import given

from lm.architectures import ARCHITECTURES, model_config
from lm.architectures.linear.config import LinearConfig
from lm.architectures.mlp.config import MLPConfig
from lm.architectures.transformer.config import TransformerConfig
from lm.base.settings import ConfigError, settings
from lm.datasets.config import DataConfig
from lm.runs.config import RunConfig
from lm.updates.config import TrainingConfig
from tests.lm.architectures.strategies import model_configs

CLASSES = [*(one.config for one in ARCHITECTURES.values()), DataConfig, TrainingConfig]
NUMERIC = [
    (config_class, setting)
    for config_class in CLASSES
    for setting in settings(config_class).values()
    if setting.kind in ("int", "float")
]


def attempt(config_class, **values):
    if config_class is TrainingConfig and not {"budget", "steps", "epochs"} & set(values):
        values["steps"] = 1
    return config_class(**values)


@pytest.mark.parametrize(
    ("config_class", "setting"), NUMERIC, ids=[f"{c.__name__}.{s.name}" for c, s in NUMERIC]
)
def test_every_numeric_setting_is_bounded(config_class, setting):
    assert setting.minimum is not None
    assert setting.maximum is not None
    outside = [setting.minimum - 1, 2 * setting.maximum + 1, math.nan, math.inf, "abc", ""]
    outside += [setting.minimum] * setting.exclusive_minimum
    outside += [setting.maximum] * setting.exclusive_maximum
    outside += [2.5] * (setting.kind == "int")
    for value in outside:
        with pytest.raises(ConfigError) as caught:
            attempt(config_class, **{setting.name: value})
        message = str(caught.value)
        assert message.startswith(f"{setting.name} must be")
        assert message.endswith(f"Received: {value!r}.")
        assert "\n" not in message


@pytest.mark.parametrize("config_class", CLASSES)
def test_every_setting_says_what_it_is(config_class):
    for setting in settings(config_class).values():
        assert setting.help.endswith("."), setting.name
        if setting.kind == "choice":
            assert setting.default in setting.choices
            with pytest.raises(ConfigError, match=f"^{setting.name} must be one of"):
                attempt(config_class, **{setting.name: "nonsense"})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_about_five_settings_are_basic(architecture):
    basic = [s for s in ARCHITECTURES[architecture].settings.values() if s.basic]
    assert 2 <= len(basic) <= 5


def test_a_misspelt_setting_names_its_neighbour():
    with pytest.raises(ConfigError, match=r"'d_modle'. Did you mean d_model\?"):
        TransformerConfig(d_modle=3)


def test_rules_between_settings():
    with pytest.raises(ConfigError, match=r"divisible by n_heads. Received: d_model=10, n_heads=4"):
        TransformerConfig(d_model=10, n_heads=4)
    with pytest.raises(ConfigError, match="even head width"):
        TransformerConfig(d_model=12, n_heads=4)
    with pytest.raises(ConfigError, match=r"exclude each other.*Received: budget=1e\+12, steps=4"):
        TrainingConfig(budget=1e12, steps=4)
    with pytest.raises(ConfigError, match=r"give one. Received: none"):
        TrainingConfig()
    with pytest.raises(ConfigError, match="belongs to dataset 'tiny_shakespeare'"):
        DataConfig(dataset="ptb", split="nanogpt")
    with pytest.raises(ConfigError, match="'text' is a text of your own: name its file"):
        DataConfig(dataset="text")
    with pytest.raises(ConfigError, match="text_path goes with dataset 'text'"):
        DataConfig(dataset="ptb", text_path="mine.txt")


def run_config(model, **training):
    return RunConfig(data=DataConfig(), model=model, training={"steps": 1, **training})


def test_rules_between_model_and_training():
    with pytest.raises(ConfigError, match=r"sequence_length must not exceed model.context_length"):
        run_config(TransformerConfig(context_length=8), sequence_length=9)
    assert run_config(LinearConfig(context_length=8), sequence_length=9).sequence_length == 9
    with pytest.raises(ConfigError, match=r"must be adamw(,| or) sgd.* for linear"):
        run_config(LinearConfig(), optimizer="muon")
    assert run_config(MLPConfig(context_length=8)).sequence_length == 8
    assert run_config(MLPConfig(context_length=8), objective="last_position").sequence_length == 1


def test_nested_errors_carry_the_whole_name():
    with pytest.raises(ConfigError, match=r"^model\.d_model must be a whole number from 1 to"):
        run_config({"architecture": "transformer", "d_model": 0})
    with pytest.raises(ConfigError, match=r"^training\.learning_rate must be a number above 0"):
        run_config(LinearConfig(), learning_rate=-1)
    with pytest.raises(ConfigError, match=r"architecture must be one of linear, mlp"):
        run_config({"architecture": "transfomer"})
    with pytest.raises(ConfigError, match=r"Did you mean transformer\?"):
        model_config("transfomer")


def test_configs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        LinearConfig().context_length = 3


@given(config=model_configs())
def test_json_restores_a_config(config):
    run = run_config(config)
    assert RunConfig(**run.model_dump(mode="json")) == run


def test_text_from_a_command_line_becomes_numbers():
    assert TransformerConfig(n_layers="3", dropout="0.5", bias="true").n_layers == 3
    assert TrainingConfig(budget="1e12").budget == 1e12


def test_words_are_the_natural_tokens_of_word_corpora():
    assert DataConfig(dataset="ptb").tokenizer == "word"
    assert DataConfig(dataset="ptb", tokenizer="char").tokenizer == "char"
    assert DataConfig().tokenizer == "char"
