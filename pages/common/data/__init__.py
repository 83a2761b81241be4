"""The Data page: how a corpus gets here, and what is in it."""
