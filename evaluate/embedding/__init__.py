"""Clips of a shard set through the encoders, into a store."""
