"""Encoders, projections and heads."""
