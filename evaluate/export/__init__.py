"""The encoders of a run as a folder for use elsewhere, with a model card."""
