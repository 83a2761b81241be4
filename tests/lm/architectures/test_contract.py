"""The contract that holds every architecture: those of the program, and one that is added."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.architectures import ARCHITECTURES
from lm.training import contract
from lm.training.contract import ContractError
from tests.lm.architectures.strategies import model_configs
from tests.lm.architectures.test_models import SMALL
from tests.lm.toys.architecture import BIGRAM, BigramConfig

CONFIGS = {
    **SMALL,
    "a toy": BigramConfig(),
    # a small config of each further architecture goes here
}


@pytest.fixture(autouse=True)
def _with_a_toy():
    with ARCHITECTURES.including(BIGRAM):
        yield


def test_the_contract_holds_every_architecture():
    assert {config.architecture for config in CONFIGS.values()} == set(ARCHITECTURES)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_architecture_keeps_the_contract(config, check):
    check(ARCHITECTURES[config.architecture], config, 11)


@settings(max_examples=25, deadline=None)
@given(config=model_configs(), data=st.data())
def test_it_holds_whatever_the_settings(config, data):
    check = data.draw(
        st.sampled_from(
            [
                contract.rows_keep_to_themselves,
                contract.the_lookback_completes_a_row,
                contract.its_modules_are_its_parameters,
                contract.its_head_scores_as_it_learns,
                contract.writes_what_it_predicts,
            ]
        )
    )
    check(ARCHITECTURES[config.architecture], config, 11)


def test_what_is_broken_is_named():
    """Each check finds the fault that it is for."""

    class Sees(type(BIGRAM)):
        """Its features are those of the whole row."""

        def build(self, config, vocab_size):
            model = super().build(config, vocab_size)
            embed = model.features
            model.features = lambda ids, before=None: embed(ids) + embed(ids).mean(1, keepdim=True)
            return model

    with pytest.raises(ContractError, match="changed a prediction before it"):
        contract.the_future_changes_nothing(Sees(), BigramConfig(), 11)

    class Counts(type(BIGRAM)):
        """It says that it has more parameters than it has."""

        def modules(self, config, vocab_size):
            return super().modules(config, vocab_size + 1)

    with pytest.raises(ContractError, match="parameters; the model has"):
        contract.its_modules_are_its_parameters(Counts(), BigramConfig(), 11)

    class Hides(type(BIGRAM)):
        """It computes what its modules do not say."""

        def build(self, config, vocab_size):
            model = super().build(config, vocab_size)
            embed = model.features
            model.features = lambda ids, before=None: sum(embed(ids).tanh() for _ in range(99))
            return model

    with pytest.raises(ContractError, match="the work of its modules comes to"):
        contract.its_other_work_is_priced(Hides(), BigramConfig(), 11)

    class Remembers(type(BIGRAM)):
        """Every call leaves something behind."""

        def build(self, config, vocab_size):
            model = super().build(config, vocab_size)
            embed, calls = model.features, []

            def features(ids, before=None):
                calls.append(ids)
                return embed(ids) * len(calls)

            model.features = features
            return model

    with pytest.raises(ContractError, match=r"depend on (other rows|the calls before)"):
        contract.rows_keep_to_themselves(Remembers(), BigramConfig(), 11)
