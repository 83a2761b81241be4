"""The Study page: a sweep of the user's own, and the coursework's study."""
