"""Which video, and which seconds of it, a distorted clip came from."""
