"""The objective: losses, the bank, and the sum of all terms."""
