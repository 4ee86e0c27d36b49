"""The fingerprint benchmark: distorted queries, references with distractors, all methods in one run."""
