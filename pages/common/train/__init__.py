"""The Train page: its form, what a run costs, its start, and the panel of the run."""
