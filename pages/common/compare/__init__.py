"""The Compare page: which runs, their table, their charts, and what may be done with them."""
