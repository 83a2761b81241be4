"""What we are measured against computes what we compute."""

import numpy as np
import pytest
import torch

from bench.textbook import GPT, Loop
from lm.architectures import build_model
from lm.architectures.transformer.config import TransformerConfig
from lm.architectures.transformer.recipes import NANOGPT
from lm.training.batches import Batch, loss_of

NAMES = {
    "position_embedding": "positions",
    "embedding": "tokens",
    "final_norm": "norm",
    "attention_norm": "norm_1",
    "feed_forward_norm": "norm_2",
    "query_key_value": "qkv",
    "output": "proj",
    "feed_forward.": "",
}


def theirs(name: str) -> str:
    for ours, other in NAMES.items():
        name = name.replace(ours, other)
    return name


@pytest.mark.parametrize(("width", "n_rows"), [(32, 3), (128, 12)])  # 12 rows: large products
def test_logits_loss_and_gradients_are_ours(width, n_rows):
    values = {"n_layers": 2, "d_model": width, "d_ff": 4 * width}
    config = TransformerConfig(**{**NANOGPT, **values})
    ours = build_model(config, 65)
    textbook = GPT(65, width, 2, config.n_heads, config.context_length)
    parameters = dict(textbook.named_parameters())
    with torch.no_grad():
        for name, value in ours.named_parameters():
            parameters.pop(theirs(name)).copy_(value)
    assert not parameters  # every one of theirs has been set
    row = torch.randint(65, (n_rows, 41), generator=torch.Generator().manual_seed(0))
    inputs, targets = row[:, :-1], row[:, 1:].contiguous()
    logits, loss = textbook(inputs, targets)
    torch.testing.assert_close(ours(inputs), logits, atol=1e-5, rtol=1e-4)
    mine = loss_of(ours, Batch(inputs=inputs, targets=targets, before=None), "all_positions")
    torch.testing.assert_close(mine, loss)
    mine.backward()
    loss.backward()
    for name, value in ours.named_parameters():
        their = dict(textbook.named_parameters())[theirs(name)]
        torch.testing.assert_close(value.grad, their.grad, atol=1e-6, rtol=1e-3)


def test_its_loop_learns(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "tokens.bin"
    np.tile(np.arange(11, dtype=np.uint16), 100).tofile(file)
    loop = Loop(GPT(11, 32, 1, 2, 16), file, batch_size=4, length=16)
    losses = [loop.step() for _ in range(300)]
    assert losses[-1] < 0.5 * losses[0]
