"""Media files: probing and decoding through ffmpeg."""
