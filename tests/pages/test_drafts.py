"""From choices to a run that could start, and back."""

import pytest

from lm.datasets.config import DataConfig
from lm.runs import recipes
from lm.runs.config import RunConfig
from pages.common import corpora, drafts

DATA = DataConfig(dataset="known_entropy", n_chars=20_000)


def resolved(**values) -> RunConfig:
    corpus = corpora.load(DATA)
    return recipes.resolve(
        **{"architecture": "transformer", "budget": 1e10, **values},
        data=DATA,
        vocab_size=corpus.tokenizer.vocab_size,
        n_train_tokens=corpus.train.n_tokens,
    )


CONFIGS = {
    "as the recipe has it": {},
    "by hand": {"model": {"d_model": 48, "n_layers": 3}, "training": {"seed": 7, "beta2": 0.9}},
    "a preset": {"preset": "classic", "architecture": "mlp"},
}


@pytest.mark.parametrize("values", CONFIGS.values(), ids=CONFIGS)
def test_the_form_follows_a_run_and_gives_it_again(values) -> None:
    config = resolved(**values)
    assert drafts.draft(drafts.choices_of(config)).config == config


def test_what_the_recipe_gives_is_no_choice() -> None:
    by_hand = {"d_model": 48, "seed": 7}
    config = resolved(budget=1e9, model={"d_model": 48}, training={"seed": 7})
    chosen = drafts.choices_of(config)
    assert by_hand.items() <= chosen.items()
    assert set(chosen) == {"dataset", "n_chars", "architecture", "preset", "budget", *by_hand}


def test_what_follows_from_another_choice_is_none() -> None:
    """A width set by hand may bring another number of models than the recipe's."""
    config = resolved(budget=3e10, architecture="mlp", model={"d_hidden": 16})
    recipe = resolved(budget=3e10, architecture="mlp")
    assert config.model.model_dump()["members"] != recipe.model.model_dump()["members"]
    chosen = drafts.choices_of(config)
    assert chosen["d_hidden"] == 16
    assert "members" not in chosen


def test_choices_are_resolved_once_and_twice_more_for_each_by_hand(monkeypatch) -> None:
    config = resolved(budget=1e9, model={"d_model": 48}, training={"seed": 7})
    calls = []
    resolve = recipes.resolve
    monkeypatch.setattr(recipes, "resolve", lambda **v: calls.append(v) or resolve(**v))
    drafts.choices_of(config)
    assert len(calls) == 5


def test_what_changed_is_named_with_what_says_most_first() -> None:
    before = resolved()
    after = resolved(budget=1e11, model={"n_layers": 5}, training={"beta2": 0.9, "batch_size": 3})
    names = [text.split()[0] for text in drafts.differences(before, after)]
    assert names[0] == "budget"
    assert names.index("n_layers") < names.index("batch_size") < names.index("beta2")
    other = drafts.differences(before, resolved(architecture="mlp"))
    assert other[0] == "architecture transformer→mlp"
    assert not [text for text in other if text.startswith("d_hidden")]


def test_settings_without_effect_are_not_taken() -> None:
    chosen = {
        "dataset": "python_reference",
        "n_chars": 5_000,
        "data_seed": 3,
        "bpe_vocab_size": 300,
    }
    assert drafts.draft(chosen).data == DataConfig(dataset="python_reference")
    taken = drafts.draft({**chosen, "dataset": "known_entropy"}).data
    assert taken == DataConfig(dataset="known_entropy", n_chars=5_000, seed=3)


def test_a_cut_that_another_corpus_has_is_not_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(corpora, "UPLOADS", tmp_path)
    (tmp_path / "names.txt").write_text("".join(f"name{i}\n" for i in range(200)))
    choices = {"split": "lines", "data_seed": 3, "encoding": "utf-8"}
    own = drafts.draft({"dataset": "text", **choices}).data
    assert (own.split, own.seed, own.encoding) == ("lines", 3, "utf-8")
    assert drafts.data_choices(own) == {"dataset": "text", "text": "names.txt", **choices}
    invented = drafts.draft({"dataset": "known_entropy", **choices}).data
    assert (invented.split, invented.encoding) == ("study", "guess")
    assert drafts.data_settings("text")["split"].choices == ("study", "lines")
