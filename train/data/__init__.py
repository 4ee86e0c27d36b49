"""Shards to batches on the training device, through DALI."""
