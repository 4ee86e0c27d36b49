"""Media files: probing, decoding and encoding through ffmpeg."""
