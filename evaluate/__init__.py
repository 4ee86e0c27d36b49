"""Checkpoints and shards to embeddings, and embeddings to results and pages."""
