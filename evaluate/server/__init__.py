"""The web application of an archive: its API, its pages, and what keeps both safe."""
