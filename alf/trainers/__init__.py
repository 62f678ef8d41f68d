"""The training loop, checkpoints, evaluation and play."""
