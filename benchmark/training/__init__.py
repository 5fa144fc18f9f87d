"""Training: a step, the batches, the loop with its selection, and prediction."""
