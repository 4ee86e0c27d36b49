"""What can go wrong while the sample world is written."""

from preprocess.errors import PreprocessError


class SampleError(PreprocessError):
    """The world cannot be made as asked; the message names the folder or parameter at fault and the remedy."""
