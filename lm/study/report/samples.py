"""Texts that the best checkpoints of the study write."""

from __future__ import annotations

from lm.datasets import DATASETS
from lm.runs import RunStore
from lm.study.results import Results
from lm.study.sections import CHARACTERS
from lm.writing.generation import generate, prompt_ids, text_pieces
from lm.writing.loading import load_decoder
from lm.writing.sampling import Sampling

PROMPTS = {
    CHARACTERS: "HAMLET:",
    "ptb": "the school announced that",
    "wikitext-2": "The history of machine learning begins",
}
SAMPLE_TOKENS = {CHARACTERS: 320, "ptb": 60, "wikitext-2": 60}
SAMPLING = Sampling(temperature=0.8, seed=0)


def samples(results: Results, store: RunStore) -> dict[str, object]:
    """A text by the best run of each architecture and corpus, and how it was drawn."""
    texts = []
    for (architecture, dataset), run_id in results.checkpoints.items():
        run = store.get(run_id)
        texts.append(
            {
                "architecture": architecture,
                "corpus": DATASETS[dataset].title,
                "flops": run.status.flops.total,
                "run_id": run.run_id,
                "text": sample(store, run_id, dataset),
            }
        )
    return {"sampling": SAMPLING, "texts": texts}


def sample(store: RunStore, run_id: str, dataset: str) -> str:
    """A text from a checkpoint, or a sentence where its weights are not here."""
    run = store.get(run_id)
    if not run.weights_path.exists():
        return "(Its weights are not here.)"
    tokenizer = run.tokenizer()
    before = prompt_ids(tokenizer, PROMPTS[dataset])
    tokens = generate(load_decoder(run), before, SAMPLE_TOKENS[dataset], SAMPLING)
    text = PROMPTS[dataset] + "".join(text_pieces(tokenizer, before, tokens))
    return text.replace("```", "'''")
