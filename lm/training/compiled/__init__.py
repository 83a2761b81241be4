"""A training's steps as a program that is compiled for them, by XLA.

`step` traces one step of the PyTorch model, `lowering` says what its operators are in jax,
`program` compiles it, `steps` takes a training's steps by one, and `lm.runs.programs` keeps them.
"""
