"""Training one run: steps, evaluation, checkpoints, and `nnexp.MLP`."""
