"""A toy of each kind, as somebody would add it: one object, registered by one line."""
