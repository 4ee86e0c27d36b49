"""Queries to answers: as they are, after edits were undone, stills; and answers as tables and records."""
