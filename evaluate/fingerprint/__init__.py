"""Which video, and which seconds of it, a mangled clip came from."""
