"""The default recipes that have two threads, through the queue: each trains to its end."""

from collections.abc import Iterator

import pytest

from lm.architectures import ARCHITECTURES
from lm.base.machine import n_cores
from lm.datasets import Corpus, load
from lm.datasets.config import DataConfig
from lm.datasets.registry import DATASETS
from lm.jobs import JobQueue
from lm.runs import RunStore, engines, recipes
from lm.runs.plan import plan
from lm.runs.prepare import prepare
from tests.lm.jobs.test_jobs import until_state

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(n_cores() < 2, reason="With one processor no run has two threads."),
]
DATA = DataConfig(dataset="tiny_shakespeare")
SOONER = [(1e12, name) for name in ARCHITECTURES] + [(1e13, "attention"), (1e13, "transformer")]
EVERY = [(budget, name) for budget in (1e12, 1e13, 1e14) for name in ARCHITECTURES]
STEPS = 8  # in place of thousands: some by PyTorch, which takes a compiled run's first ones, too
SCORED = 20_000  # characters of each split


@pytest.fixture(scope="module")
def corpus(real_corpora: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Tiny Shakespeare: its whole train split, which recipes go by, and less to score."""
    texts = DATASETS[DATA.dataset].read(DATA)
    folder = tmp_path_factory.mktemp("datasets")
    (folder / DATA.dataset).mkdir()
    (folder / DATA.dataset / "train.txt").write_text(texts.train)
    for part in ("valid", "test"):
        (folder / DATA.dataset / f"{part}.txt").write_text(getattr(texts, part)[:SCORED])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LM_DATASETS", str(folder))
        yield load(DATA)


@pytest.fixture(scope="module")
def jobs(corpus: Corpus) -> Iterator[JobQueue]:
    jobs = JobQueue()
    yield jobs
    jobs.close()


@pytest.mark.parametrize(
    ("budget", "architecture"),
    [
        *SOONER,
        *(pytest.param(*case, marks=pytest.mark.slow) for case in EVERY if case not in SOONER),
    ],
)
def test_it_trains_to_its_end(budget, architecture, corpus, jobs, tmp_path):
    vocab_size, n_tokens = corpus.tokenizer.vocab_size, corpus.train.n_tokens
    recipe = recipes.resolve(
        architecture=architecture,
        data=DATA,
        vocab_size=vocab_size,
        n_train_tokens=n_tokens,
        budget=budget,
    )
    chosen = engines.choose(recipe, vocab_size, plan(recipe, vocab_size, n_tokens))
    assert chosen.threads == 2
    short = recipe.training.replace(
        budget=None, steps=STEPS, engine=chosen.engine, threads=chosen.threads
    )
    run = prepare(recipe.replace(training=short), RunStore(tmp_path), corpus=corpus)
    jobs.start(run)
    done = until_state(run, "complete", "failed", "interrupted", "stopped", seconds=200)
    assert done.state == "complete", done.reason
    assert (done.facts.engine, done.facts.threads) == (chosen.engine, chosen.threads)
    assert done.status.not_compiled is None
