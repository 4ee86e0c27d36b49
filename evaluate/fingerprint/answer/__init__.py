"""A query answered whatever was done to it, a still answered, and what is shown and written of answers."""
