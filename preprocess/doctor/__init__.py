"""Checks that this machine is ready, one line each."""
