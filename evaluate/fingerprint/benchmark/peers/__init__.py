"""Known fingerprints that run beside ours, on the same queries and references."""
