"""An archive of generated videos, rendered to files, on which the shipped fingerprint encoder was trained."""
