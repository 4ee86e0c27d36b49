"""Shard sets on disk: tar files, the manifest, and the recipe they were made by."""
