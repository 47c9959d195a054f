"""Training: weights and checkpoints in files, a loop for many devices, a progress bar, and what it all costs."""
