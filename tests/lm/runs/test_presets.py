"""What every preset must do, for every architecture that it suits: an added one of each too."""

import pytest

from lm.architectures import ARCHITECTURES
from lm.base.settings import ConfigError
from lm.datasets.config import DataConfig
from lm.runs import RunStore
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from lm.runs.presets import PRESETS
from lm.runs.recipes import resolve
from lm.training import execute
from lm.updates import SCHEDULES, UPDATES
from lm.writing.generation import generate, prompt_ids
from lm.writing.loading import load_decoder
from lm.writing.sampling import Sampling
from tests.lm.toys.architecture import BIGRAM
from tests.lm.toys.training import SIGN_SGD, STAIRS, THRIFTY

CORPUS = {"data": DataConfig(), "vocab_size": 65, "n_train_tokens": 892_117}
NAMES = [*ARCHITECTURES, BIGRAM.name]


@pytest.fixture(autouse=True)
def _with_toys():
    with ARCHITECTURES.including(BIGRAM), PRESETS.including(THRIFTY):
        yield


@pytest.mark.parametrize("preset", [*PRESETS, THRIFTY.name])
@pytest.mark.parametrize("architecture", NAMES)
def test_a_preset_sets_up_what_it_suits_and_refuses_the_rest(preset, architecture):
    if not PRESETS[preset].suits(ARCHITECTURES[architecture]):
        with pytest.raises(ConfigError, match=f"preset '{preset}' belongs to architecture"):
            resolve(architecture=architecture, preset=preset, budget=1e12, **CORPUS)
        return
    config = resolve(architecture=architecture, preset=preset, budget=1e12, **CORPUS)
    assert config.preset == preset
    assert config.model.architecture == architecture
    steps = plan(config, 65, CORPUS["n_train_tokens"])
    assert 0.95e12 <= steps.flops.total <= 1e12
    by_hand = resolve(
        architecture=architecture,
        preset=preset,
        budget=1e12,
        training={"batch_size": 3, "learning_rate": 0.123},
        **CORPUS,
    )
    assert (by_hand.training.batch_size, by_hand.training.learning_rate) == (3, 0.123)


@pytest.mark.parametrize("preset", [*PRESETS, THRIFTY.name])
def test_a_preset_says_what_it_is_and_whether_it_follows_the_budget(preset):
    assert PRESETS[preset].help.endswith(".")
    small, large = (
        resolve(architecture="transformer", preset=preset, budget=budget, **CORPUS).model
        for budget in (1e10, 1e13)
    )
    assert (small != large) == PRESETS[preset].follows_budget


def test_toys_of_every_kind_make_a_run_together(tmp_path):
    """One that is added is trained, scored and written with as the others are."""
    with UPDATES.including(SIGN_SGD), SCHEDULES.including(STAIRS):
        config = resolve(
            architecture=BIGRAM.name,
            data=DataConfig(dataset="known_entropy", n_chars=4_000),
            vocab_size=22,
            n_train_tokens=3_200,
            preset=THRIFTY.name,
            steps=200,
            training={
                "optimizer": SIGN_SGD.name,
                "schedule": STAIRS.name,
                "sequence_length": 32,
                "learning_rate": 0.2,
            },
        )
        run = execute(prepare(config, RunStore(tmp_path)))
        assert run.state == "complete"
        assert run.run_id.startswith("bigram-known_entropy-")
        assert run.reload().config == config
        assert run.status.test.loss < 2.5  # uniform guessing costs 3.1
        ids = prompt_ids(run.tokenizer(), "kai ")
        assert len(list(generate(load_decoder(run), ids, 20, Sampling()))) == 20
