"""Shards to encoders: loading, temporal views, objective and trainer."""
