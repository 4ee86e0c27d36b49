"""What `make gpu-check` measures and trains on a machine with a GPU."""
