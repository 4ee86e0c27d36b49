"""Videos to descriptors: two vectors (video, audio) at a fixed hop."""
