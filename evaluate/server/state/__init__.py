"""What a running server holds: the index, queries, runs, copies of media, pairs."""
