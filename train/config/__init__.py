"""The configuration of a run, its presets and objectives, and how they are read."""
