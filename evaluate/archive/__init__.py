"""What the owner of an archive asks of its index: copies inside it, which to keep, decisions that last."""
