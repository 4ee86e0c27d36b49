"""The tests of representations on stored embeddings, and the statistics they share."""
