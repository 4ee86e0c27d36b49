"""An archive of made-up videos, rendered to real files: what a fingerprint encoder is trained on where there is no archive."""
