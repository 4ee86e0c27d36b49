"""Checks every byte of a shard set."""
