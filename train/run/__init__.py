"""One training run: loop, optimiser, checkpoints, resume, log, signals."""
