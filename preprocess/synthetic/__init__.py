"""Generated videos: the sample world, the collage, and rendering them to files."""
