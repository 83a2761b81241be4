"""The Study page: a sweep of one's own, and the coursework's study."""
