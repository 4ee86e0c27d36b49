"""Fine-tuning: a video encoder and a linear classifier on it, trained end to end with labels."""
