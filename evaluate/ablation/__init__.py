"""The ablation: every objective trained alike over seeds, measured alike, and set side by side."""
