"""The encoder of descriptors: the networks of a checkpoint, and the choice of vectors to compare.

Every index records the checksum and the settings of its encoder.
"""

import functools
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.errors import FingerprintError
from train.config.schema import Config
from train.export.export import CONFIG_NAME, load_exported
from train.run.checkpoint import LAST_NAME, LoadedEncoders, load_encoders
from train.views.views import normalise_logmel, plain_video

Vectors = Literal["within", "projections", "features"]
"""Vectors of one modality's own space, of the space that video and audio share, or the encoder's features."""


Variant = Literal["plain", "mirrored", "still"]
"""Clips as they are; with left and right exchanged; of one frame that is repeated, without audio."""


@dataclass(frozen=True)
class ClipShape:
    """The clips of an encoder: `n_frames` frames, every `stride`-th of the shards' clock; a stride of 0 repeats one frame.

    Attributes:
        n_frames: frames per clip.
        stride: clock frames between frames of a clip.
        frame_px: side of the loader's squares.
        column_stride: log-mel columns between columns of a clip.
    """

    n_frames: int
    stride: int
    frame_px: int
    column_stride: int

    @property
    def span_frames(self) -> int:
        """Frames of the clock from a clip's first frame to its last, inclusive."""
        return (self.n_frames - 1) * self.stride + 1


class DescriptorEncoder:
    """Describes clips, each by itself, with chosen vectors of a checkpoint or an export.

    It is pickled as the path of the weights, so another process needs them under the same path.

    Attributes:
        sha256: checksum of the weights.
        shard_params: clock and log-mels that the encoder was trained on.
        clip: shape of its clips.
        device: where it runs.
        variant: what becomes of clips before they are described.
        video_dims, audio_dims: lengths of the vectors.
    """

    def __init__(
        self,
        loaded: LoadedEncoders,
        video_vectors: Vectors,
        audio_vectors: Vectors,
        path: Path,
        device: str,
        variant: Variant = "plain",
    ) -> None:
        self._loaded, self.variant = loaded, variant
        self._path, self.device, self._video_vectors, self._audio_vectors = (
            path.absolute(),
            device,
            video_vectors,
            audio_vectors,
        )
        self.sha256, self.shard_params = loaded.sha256, loaded.shard_params
        self._config: Config = loaded.config
        clip, projection = loaded.config.clip, loaded.config.model.projection_dim
        self.clip = ClipShape(
            clip.n_frames,
            0 if variant == "still" else clip.eval_speed * clip.base_stride,
            loaded.config.data.frame_px,
            clip.eval_speed,
        )
        self.video_dims = loaded.encoders.video_dim if video_vectors == "features" else projection
        self.audio_dims = loaded.encoders.audio_dim if audio_vectors == "features" else projection
        self._encoders = loaded.encoders.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature

    def __reduce__(self) -> tuple[Any, ...]:
        """Load again where this is unpickled."""
        return _load_elsewhere, (
            self._path,
            self._video_vectors,
            self._audio_vectors,
            self.device,
            self.sha256,
            self.variant,
        )

    def varied(self, variant: Variant) -> "DescriptorEncoder":
        """Return this encoder for another variant of its clips."""
        return DescriptorEncoder(
            self._loaded, self._video_vectors, self._audio_vectors, self._path, self.device, variant
        )

    def settings(self) -> dict[str, Any]:
        """Return architecture, clips and the chosen vectors; with the checksum they determine the descriptors."""
        clip = {**asdict(self.clip), "crop_px": self._config.clip.crop_px}
        model = self._config.as_dict()["model"]
        settings = {
            "model": model,
            "clip": clip,
            "video_vectors": self._video_vectors,
            "audio_vectors": self._audio_vectors,
        }
        return settings if self.variant == "plain" else {**settings, "variant": self.variant}

    @torch.inference_mode()
    def describe_video(self, frames: Tensor) -> Tensor:
        """(B, n_frames, frame_px, frame_px, 3) uint8 to unit vectors (B, d) float32."""
        frames = frames.flip(3) if self.variant == "mirrored" else frames
        features = self._encoders.video(plain_video(frames, self._config.clip.crop_px))
        if self._video_vectors == "within":
            return self._encoders.project_within_video(features)
        chosen = self._encoders.project_video(features) if self._video_vectors == "projections" else features
        return F.normalize(chosen.float(), dim=1)

    @torch.inference_mode()
    def describe_audio(self, logmel: Tensor) -> Tensor:
        """(B, n_mels, columns) float32, natural-log mel power, to unit vectors (B, e) float32."""
        features = self._encoders.audio(normalise_logmel(logmel)[:, None])
        if self._audio_vectors == "within":
            return self._encoders.project_within_audio(features)
        chosen = self._encoders.project_audio(features) if self._audio_vectors == "projections" else features
        return F.normalize(chosen.float(), dim=1)


def load_encoder(
    path: Path, *, video_vectors: Vectors = "within", audio_vectors: Vectors = "within", device: str = "cpu"
) -> DescriptorEncoder:
    """Load the encoders of a run's folder, of a checkpoint file, or of an exported folder.

    Raises:
        FingerprintError: there are no such vectors.
        train.errors.CheckpointError: the encoders are missing or damaged.
    """
    known = get_args(Vectors)
    if video_vectors not in known or audio_vectors not in known:
        raise FingerprintError(
            f"no vectors called {video_vectors!r} and {audio_vectors!r}: choose from {', '.join(known)}"
        )
    if (path / CONFIG_NAME).is_file():
        loaded = load_exported(path, device)
    else:
        loaded = load_encoders(path / "checkpoints" / LAST_NAME if path.is_dir() else path, device)
    return DescriptorEncoder(loaded, video_vectors, audio_vectors, path, device)


@functools.lru_cache(maxsize=1)  # the tasks of a process mostly ask for the same
def _load_elsewhere(
    path: Path, video_vectors: Vectors, audio_vectors: Vectors, device: str, sha256: str, variant: Variant
) -> DescriptorEncoder:
    loaded = load_encoder(path, video_vectors=video_vectors, audio_vectors=audio_vectors, device=device)
    if loaded.sha256 != sha256:
        raise FingerprintError(f"{path}: is another encoder on {socket.gethostname()} than where this was started")
    return loaded.varied(variant)
