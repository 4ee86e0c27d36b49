"""Descriptors of a query to matches: normalise, align, decide by chance."""
