"""Descriptors of a query to matches: normalise, align, calibrate, decide."""
