"""Texts written by a trained model: `loading` its weights, `sampling` how to draw, `generation`."""
