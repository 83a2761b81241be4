"""Command lines that the tests share, and what is read from what they print."""

import json

TRAIN_KEYS = [
    *("run_id", "path", "architecture", "dataset", "n_params", "steps", "tokens"),
    *("flops", "flops_forward", "flops_backward", "flops_optimizer", "flops_per_step"),
    *("train_loss", "val_loss", "test_loss", "val_bits_per_char", "seconds"),
    *("operations", "bytes", "text", "tokenizer", "test_bits_per_char", "val_unknown_share"),
]
CORPUS = ["--dataset", "known_entropy", "--set", "data.n_chars=3000"]
TINY = ["--set", "model.context_length=4", "--set", "training.batch_size=2"]
TINY += ["--set", "training.threads=1"]


def refused(result) -> str:
    """The one sentence of a refusal."""
    status, out, err = result
    assert status == 2
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert err.strip().endswith((".", "?"))
    return err


def last_json(out: str):
    return json.loads(out.splitlines()[-1])
