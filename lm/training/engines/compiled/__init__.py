"""A training's steps as a program that is compiled for them, by XLA.

`step` traces one step of the PyTorch model, `lowering` says what its operators are in jax,
`program` compiles it, `engine` takes steps by it, and `lm.runs.programs` keeps it on disk.
"""
