"""Encoders of clips: trained and untrained networks, and baselines without learning.

Each encoder has a checksum and a description, which the store keeps. Vectors of equal ones can be compared.
"""

import functools
import hashlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from evaluate.embedding.clip_rows import Clips
from evaluate.errors import EmbedError
from preprocess.schema import ShardParams
from train.config.schema import Config
from train.model.spaces import MODALITIES, Modality
from train.run.checkpoint import LoadedEncoders, load_encoders, untrained_encoders

ModelName = Literal["pretrained", "untrained", "raw", "mfcc"]
MODELS: tuple[ModelName, ...] = ("pretrained", "untrained", "raw", "mfcc")

RAW_GRID = 8
"""Raw video is pooled to 8 steps of 8x8 cells, 1,536 numbers: few for a probe, enough to see where things are."""
_RAW_DESCRIPTION = f"clip pooled to {RAW_GRID}x{RAW_GRID}x{RAW_GRID}, RGB; mean log-mel of the clip"

N_MFCC = 40
_MFCC_DESCRIPTION = f"mean and standard deviation over the clip of {N_MFCC} mel cepstra (DCT-II of the log-mel)"


class ClipEncoder(Protocol):
    """Embeds clips, each by itself: the other clips of a batch do not change its vectors.

    `description`, of plain values, names the architecture or the computation.
    """

    name: ModelName
    sha256: str
    description: str | dict[str, Any]

    def encode(self, modality: Modality, clips: Tensor) -> dict[str, Tensor]:
        """Video (B, 3, T, h, w) or audio (B, 1, n_mels, C), float32, to vectors (B, d) by name, such as "features"."""


class NetworkEncoder:
    """Both encoders of a checkpoint with their projections, in eval mode.

    Batch normalisation uses its stored statistics. In an untrained network these are mean 0 and variance 1, so its
    activations are scaled differently than in training. A pretrained network gives no vectors of a modality that no term
    of its objective reads: that encoder has not learnt anything.
    """

    def __init__(self, loaded: LoadedEncoders, name: ModelName) -> None:
        self.name = name
        self.sha256 = loaded.sha256
        self.description: str | dict[str, Any] = loaded.config.as_dict()["model"]
        loss = loaded.config.loss
        self._modalities = [each for each in MODALITIES if name == "untrained" or loss.terms_of(each)]
        self._encoders = loaded.encoders.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature

    def encode(self, modality: Modality, clips: Tensor) -> dict[str, Tensor]:
        """Clips to features (B, d) and projections (B, P)."""
        if modality not in self._modalities:
            return {}
        with torch.inference_mode():
            features = getattr(self._encoders, modality)(clips)
            return {"features": features, "projections": self._encoders.project(modality, features)}


class MfccEncoder:
    """Mel cepstra, the classical description of audio: means and standard deviations over a clip's columns."""

    name: ModelName = "mfcc"
    sha256 = hashlib.sha256(_MFCC_DESCRIPTION.encode()).hexdigest()
    description: str | dict[str, Any] = _MFCC_DESCRIPTION

    def encode(self, modality: Modality, clips: Tensor) -> dict[str, Tensor]:
        """Audio to means and standard deviations of N_MFCC coefficients, or n_mels if fewer, (B, 2 * n); video to nothing."""
        if modality == "video":
            return {}
        from torchaudio.functional import create_dct

        dct = create_dct(min(N_MFCC, clips.shape[2]), clips.shape[2], "ortho").to(clips.device)  # (n_mels, n_mfcc)
        cepstra = torch.einsum("bmc,mk->bkc", clips[:, 0], dct)
        return {"features": torch.cat([cepstra.mean(dim=2), cepstra.std(dim=2)], 1)}


class RawEncoder:
    """The input at low resolution, a baseline for any learnt representation."""

    name: ModelName = "raw"
    sha256 = hashlib.sha256(_RAW_DESCRIPTION.encode()).hexdigest()
    description: str | dict[str, Any] = _RAW_DESCRIPTION

    def encode(self, modality: Modality, clips: Tensor) -> dict[str, Tensor]:
        """Video to the means of an 8x8x8 grid, (B, 1536); audio to the mean over columns, (B, n_mels)."""
        pooled = F.adaptive_avg_pool3d(clips, RAW_GRID) if modality == "video" else clips.mean(dim=3)
        return {"features": pooled.flatten(1)}


@dataclass(frozen=True)
class RunEncoders:
    """The chosen encoders, and the settings of their clips.

    Pickled, they are the checkpoint's path instead of weights: another process must find it under the same name.
    """

    encoders: tuple[ClipEncoder, ...]
    config: Config
    shard_params: ShardParams
    checkpoint: Path
    device: str

    def __reduce__(self) -> tuple[Any, ...]:
        """Load again where this is unpickled."""
        named = tuple((encoder.name, encoder.sha256) for encoder in self.encoders)
        return _load_elsewhere, (self.checkpoint, named, self.device)


@functools.lru_cache(maxsize=1)  # most tasks of a process use the same encoders
def _load_elsewhere(checkpoint: Path, named: tuple[tuple[str, str], ...], device: str) -> RunEncoders:
    run = load_run(checkpoint, [name for name, _ in named], device)
    if [encoder.sha256 for encoder in run.encoders] != [sha256 for _, sha256 in named]:
        raise EmbedError(f"{checkpoint}: is another checkpoint on {socket.gethostname()} than where this was started")
    return run


def load_run(checkpoint: Path, models: Sequence[str], device: str = "cpu") -> RunEncoders:
    """Load encoders; the checkpoint decides which clips all of them, also raw input, are given.

    Raises:
        EmbedError: an unknown model, or none.
        train.errors.CheckpointError: no checkpoint there, or a damaged one.
    """
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        raise EmbedError(f"unknown model {', '.join(unknown) or '(none)'}; choose from {', '.join(MODELS)}")
    trained = load_encoders(checkpoint, device)
    encoders: dict[str, ClipEncoder] = {
        "raw": RawEncoder(),
        "mfcc": MfccEncoder(),
        "pretrained": NetworkEncoder(trained, "pretrained"),
    }
    if "untrained" in models:
        encoders["untrained"] = NetworkEncoder(untrained_encoders(checkpoint, device), "untrained")
    chosen = tuple(encoders[model] for model in dict.fromkeys(models))
    return RunEncoders(chosen, trained.config, trained.shard_params, checkpoint.absolute(), device)


def check_params(expected: ShardParams, shards: ShardParams, path: Path) -> None:
    """Refuse shards with another frame rate, or other log-mels, than the encoder was trained on.

    Raises:
        EmbedError: naming every parameter that differs.
    """
    names = ("fps", "sample_rate_hz", "n_fft", "win_length", "hop_length", "n_mels")
    differ = [
        f"{name} is {getattr(shards, name)}, trained with {getattr(expected, name)}"
        for name in names
        if getattr(expected, name) != getattr(shards, name)
    ]
    if differ:
        raise EmbedError(f"{path}: does not fit the encoder: {'; '.join(differ)}. Preprocess again with these values")


def encode_clips(encoder: ClipEncoder, clips: Clips) -> dict[str, np.ndarray]:
    """Return vectors of m clips by name ("video/features" ...), (m, d) float32; zeros where a clip has no audio."""
    vectors: dict[str, np.ndarray] = {}
    if clips.video is not None:
        for name, value in encoder.encode("video", clips.video).items():
            vectors[f"video/{name}"] = value.float().cpu().numpy()
    present = np.flatnonzero(clips.spans["has_audio"])
    # Where no clip has audio, a silent one is encoded, to get the length of the vectors.
    chosen = torch.from_numpy(present if len(present) else np.zeros(1, np.int64)).to(clips.audio.device)
    for name, value in encoder.encode("audio", clips.audio[chosen]).items():
        full = np.zeros((len(clips.audio), value.shape[1]), np.float32)
        full[present] = value.float().cpu().numpy()[: len(present)]
        vectors[f"audio/{name}"] = full
    return vectors
