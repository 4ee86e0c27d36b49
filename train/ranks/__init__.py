"""Several processes as one: collectives, and errors that reach all ranks."""
