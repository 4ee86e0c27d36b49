"""The contrastive spaces, and the embeddings of clips in them."""

from typing import Literal

from torch import Tensor

from train.config.schema import LossConfig

Space = Literal["within_video", "within_audio", "video", "audio"]
"""`within_video`, `within_audio`: one modality alone; clips of a source are close, whatever their speeds.
`video`, `audio`: the space that both modalities share; clips of one time span, speed and direction are close.
A single space would have to keep the speed for one purpose and forget it for the other."""

Modality = Literal["video", "audio"]
MODALITIES: tuple[Modality, ...] = ("video", "audio")
SPACES_OF_TERM: dict[str, tuple[Space, ...]] = {
    "video_video": ("within_video",),
    "video_audio": ("video", "audio"),
    "audio_audio": ("within_audio",),
}
SPACES: tuple[Space, ...] = tuple(space for spaces in SPACES_OF_TERM.values() for space in spaces)

Embeddings = dict[Space, Tensor]
"""Unit vectors of N clips, (N, P) float32 in every space that is used; zeros where a clip has no audio."""


def used_spaces(loss: LossConfig) -> tuple[Space, ...]:
    """Spaces of the contrastive terms that count."""
    return tuple(space for term, spaces in SPACES_OF_TERM.items() if getattr(loss, term) > 0 for space in spaces)


def is_audio(space: Space) -> bool:
    """Whether a space's vectors come from audio; clips without audio have zeros, which do not count."""
    return space in ("within_audio", "audio")
