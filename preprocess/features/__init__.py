"""Decoded media to the members of a sample: segments, film strips, log-mels."""
