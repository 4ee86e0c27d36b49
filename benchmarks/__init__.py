"""Benchmarks: one script a question, all run by `python -m benchmarks`."""
