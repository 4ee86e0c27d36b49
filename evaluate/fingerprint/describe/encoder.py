"""Encoders of descriptors: those of a checkpoint, with the choice which of their vectors are compared.

Any class that follows the protocol can be used. Its checksum and settings are recorded in every index made with it.
"""

import functools
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.errors import FingerprintError
from preprocess.schema import ShardParams
from train.config.schema import Config
from train.export.export import CONFIG_NAME, load_exported
from train.run.checkpoint import LAST_NAME, LoadedEncoders, load_encoders
from train.views.views import normalise_logmel, plain_video

Vectors = Literal["within", "projections", "features"]
VECTORS: tuple[Vectors, ...] = ("within", "projections", "features")
"""Vectors of one modality's own space, of the space that video and audio share, or the encoder's features."""
SOURCES_PER_SHARD = 8
"""Few, so that several processes find work in one batch of files."""


@dataclass(frozen=True)
class ClipShape:
    """The clips of an encoder: `n_frames` frames, every `stride`-th of the shards' clock.

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


class DescriptorEncoder(Protocol):
    """Describes clips, each by itself.

    Attributes:
        sha256: checksum of the weights.
        shard_params: clock and log-mels that the encoder was trained on.
        clip: what it looks at.
        picture_dims, sound_dims: lengths of the vectors.
    """

    sha256: str
    shard_params: ShardParams
    clip: ClipShape
    picture_dims: int
    sound_dims: int

    def settings(self) -> dict[str, Any]:
        """Return plain values: with the checksum they decide the descriptors of a clip."""
        ...

    def describe_picture(self, frames: Tensor) -> Tensor:
        """(B, n_frames, frame_px, frame_px, 3) uint8 to unit vectors (B, d) float32."""
        ...

    def describe_sound(self, logmel: Tensor) -> Tensor:
        """(B, n_mels, columns) float32, natural-log mel power, to unit vectors (B, e) float32."""
        ...


class NetworkDescriber:
    """The encoders of a checkpoint or an export, and the vectors of them that are compared.

    To another process they travel as the path of the weights, which must lie there under the same name.
    """

    def __init__(self, loaded: LoadedEncoders, picture: Vectors, sound: Vectors, path: Path, device: str) -> None:
        self._path, self._device = path.absolute(), device
        self.sha256, self.shard_params = loaded.sha256, loaded.shard_params
        self._config: Config = loaded.config
        clip = loaded.config.clip
        self.clip = ClipShape(
            clip.n_frames, clip.eval_speed * clip.base_stride, loaded.config.data.frame_px, clip.eval_speed
        )
        self._picture, self._sound = picture, sound
        projection = loaded.config.model.projection_dim
        self.picture_dims = loaded.encoders.video_dim if picture == "features" else projection
        self.sound_dims = loaded.encoders.audio_dim if sound == "features" else projection
        self._encoders = loaded.encoders.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature

    def __reduce__(self) -> tuple[Any, ...]:
        """Load again where this is unpickled."""
        return _load_elsewhere, (self._path, self._picture, self._sound, self._device, self.sha256)

    def settings(self) -> dict[str, Any]:
        """Return architecture, clips and the vectors chosen."""
        clip = {**asdict(self.clip), "crop_px": self._config.clip.crop_px}
        model = self._config.as_dict()["model"]
        return {"model": model, "clip": clip, "picture": self._picture, "sound": self._sound}

    def describe_picture(self, frames: Tensor) -> Tensor:
        """(B, n_frames, frame_px, frame_px, 3) uint8 to unit vectors (B, d) float32."""
        with torch.inference_mode():
            features = self._encoders.video(plain_video(frames, self._config.clip.crop_px))
            if self._picture == "within":
                return self._encoders.project_within_video(features)
            chosen = self._encoders.project_video(features) if self._picture == "projections" else features
            return F.normalize(chosen.float(), dim=1)

    def describe_sound(self, logmel: Tensor) -> Tensor:
        """(B, n_mels, columns) float32 to unit vectors (B, e) float32."""
        with torch.inference_mode():
            features = self._encoders.audio(normalise_logmel(logmel)[:, None])
            if self._sound == "within":
                return self._encoders.project_within_audio(features)
            chosen = self._encoders.project_audio(features) if self._sound == "projections" else features
            return F.normalize(chosen.float(), dim=1)


def load_encoder(
    path: Path, *, picture: Vectors = "within", sound: Vectors = "within", device: str = "cpu"
) -> NetworkDescriber:
    """Load the encoders of a run's folder, of a checkpoint file, or of an exported folder.

    Raises:
        FingerprintError: no such vectors.
        train.errors.CheckpointError: nothing there, or damaged.
    """
    if picture not in VECTORS or sound not in VECTORS:
        raise FingerprintError(f"no vectors called {picture!r} and {sound!r}: choose from {', '.join(VECTORS)}")
    if (path / CONFIG_NAME).is_file():
        loaded = load_exported(path, device)
    else:
        loaded = load_encoders(path / "checkpoints" / LAST_NAME if path.is_dir() else path, device)
    return NetworkDescriber(loaded, picture, sound, path, device)


@functools.lru_cache(maxsize=1)  # the tasks of a process mostly ask for the same
def _load_elsewhere(path: Path, picture: Vectors, sound: Vectors, device: str, sha256: str) -> NetworkDescriber:
    loaded = load_encoder(path, picture=picture, sound=sound, device=device)
    if loaded.sha256 != sha256:
        raise FingerprintError(f"{path}: is another encoder on {socket.gethostname()} than where this was started")
    return loaded


def shard_params_for(encoder: DescriptorEncoder, media: Literal["video", "audio"]) -> ShardParams:
    """Parameters of the passing shards that descriptors are made from."""
    return replace(encoder.shard_params, media=media, sources_per_shard=SOURCES_PER_SHARD)
