"""Training of one run: steps, evaluation, checkpoints and `nnexp.MLP`."""
