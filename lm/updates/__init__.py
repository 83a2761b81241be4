"""How weights are updated: optimizers and learning-rate schedules."""
