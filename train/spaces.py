"""The contrastive spaces, and the embeddings of clips in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Space = Literal["within", "video", "audio"]
"""`within`: clips of a video among each other, whatever their speeds. `video` and `audio`: picture and sound in the space
that they share, where clips of one time span, speed and direction meet. One space for both would be asked to keep the
speed and to forget it."""


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors of N clips, each (N, P) float32.

    Attributes:
        within: of the picture, compared with other pictures.
        video: of the picture, compared with sounds.
        audio: of the sound; zeros where there is none.
    """

    within: Tensor
    video: Tensor
    audio: Tensor

    def of(self, space: Space) -> Tensor:
        """Vectors (N, P) in one of the spaces."""
        return {"within": self.within, "video": self.video, "audio": self.audio}[space]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Embeddings":
        """Apply a function to each of the three."""
        return Embeddings(change(self.within), change(self.video), change(self.audio))

    def views(self) -> "tuple[Embeddings, Embeddings]":
        """Split the rows of TrainClips (2B) into those of view 0 and of view 1."""
        (w0, w1), (v0, v1), (a0, a1) = (x.chunk(2) for x in (self.within, self.video, self.audio))
        return Embeddings(w0, v0, a0), Embeddings(w1, v1, a1)
