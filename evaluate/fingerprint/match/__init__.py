"""What speaks for a match: similarities normalised, aligned to spans, and judged by chance."""
