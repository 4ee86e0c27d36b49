"""The embedded sample: a small audio-visual world with labels, rendered to real video files."""
