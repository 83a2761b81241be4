"""Texts that the best checkpoints of the study write."""

from __future__ import annotations

from lm.datasets import DATASETS
from lm.runs import RunStore
from lm.study.results import Results
from lm.study.sections import CHARACTERS
from lm.writing.generation import generate, prompt_ids, text_pieces
from lm.writing.loading import load_decoder
from lm.writing.sampling import Sampling

PROMPTS = {  # and how many tokens continue them
    CHARACTERS: ("HAMLET:", 320),
    "ptb": ("the school announced that", 60),
    "wikitext-2": ("The history of machine learning begins", 60),
}
SAMPLING = Sampling(temperature=0.8, seed=0)


def samples(results: Results, store: RunStore) -> list[dict[str, object]]:
    """A text by the best run of each architecture and corpus."""
    texts: list[dict[str, object]] = []
    for (architecture, dataset), run_id in results.checkpoints.items():
        run, text = store.get(run_id), "(Its weights are not here.)"
        if run.weights_path.exists():
            tokenizer, (prompt, n_tokens) = run.tokenizer(), PROMPTS[dataset]
            before = prompt_ids(tokenizer, prompt)
            tokens = generate(load_decoder(run), before, n_tokens, SAMPLING)
            text = prompt + "".join(text_pieces(tokenizer, before, tokens))
        texts.append(
            {
                "architecture": architecture,
                "corpus": DATASETS[dataset].title,
                "flops": run.status.flops.total,
                "run_id": run.run_id,
                "text": text.replace("```", "'''"),
            }
        )
    return texts
