"""The Train page: its form, its bill, the start of a run, and the panel of the run."""
