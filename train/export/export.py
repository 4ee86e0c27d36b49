"""Encoders as files and back: safetensors, a description in config.json, and ONNX (docs/reference/export.md)."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from preprocess.schema import MEL_POWER_FLOOR
from train.errors import CheckpointError
from train.run.checkpoint import LoadedEncoders, filled_encoders
from train.views.views import LOG_MIDDLE, LOG_SCALE

logger = logging.getLogger("train")

FORMAT_NAME = "avtempo-encoders"
FORMAT_VERSION = 1
WEIGHTS_NAME = "encoders.safetensors"
CONFIG_NAME = "config.json"
ONNX_NAMES = {"video": "video.onnx", "audio": "audio.onnx"}
_NEEDED = {
    "config": dict, "shard_params": dict, "video_input": dict, "audio_input": dict, "encoder_sha256": str,
    "shards_fingerprint": str, "step": int,
}  # fmt: skip
"""The keys of config.json that loading reads, and their types."""


def describe(loaded: LoadedEncoders, shards_fingerprint: str) -> dict[str, Any]:
    """Give the content of config.json: plain values, and nothing about this machine."""
    encoders, clip, params = loaded.encoders, loaded.config.clip, loaded.shard_params
    config = loaded.config.as_dict()
    config["data"]["shards"] = ""  # a path of the training machine; the fingerprint identifies the shards
    return {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "encoder_sha256": loaded.sha256,
        "step": loaded.step,
        "seed": loaded.config.seed,
        "torch": torch.__version__,
        "shards_fingerprint": shards_fingerprint,
        "feature_dims": {
            "video": encoders.video_dim, "audio": encoders.audio_dim, "projection": loaded.config.model.projection_dim,
        },
        "video_input": {
            "name": "clips", "shape": ["batch", 3, clip.n_frames, clip.crop_px, clip.crop_px], "dtype": "float32",
            "fps": params.fps, "short_side_px": params.short_side_px, "frame_px": loaded.config.data.frame_px,
            "border_rows_overwritten": 1, "subtract": 127.5, "divide_by": 63.75,
        },
        "audio_input": {
            "name": "logmel", "shape": ["batch", 1, params.n_mels, (clip.clock_frames - 1) * params.columns_per_frame + 1],
            "dtype": "float32", "sample_rate_hz": params.sample_rate_hz, "n_fft": params.n_fft,
            "win_length": params.win_length, "hop_length": params.hop_length, "n_mels": params.n_mels,
            "columns_per_frame": params.columns_per_frame, "mel_power_floor": MEL_POWER_FLOOR,
            "subtract": LOG_MIDDLE, "divide_by": LOG_SCALE,
        },
        "shard_params": params.as_dict(),
        "config": config,
    }  # fmt: skip


def write_encoders(folder: Path, loaded: LoadedEncoders, info: dict[str, Any], *, onnx: bool) -> None:
    """Write weights, description and ONNX files.

    Args:
        folder: where to; it is there.
        loaded: the encoders.
        info: their description.
        onnx: write the ONNX files too.

    Raises:
        ExportError: ONNX does not compute what torch does.
        OSError: the system refuses.
    """
    metadata = {"format": FORMAT_NAME, "format_version": str(FORMAT_VERSION), "encoder_sha256": loaded.sha256}
    weights = {name: tensor.contiguous() for name, tensor in loaded.encoders.state_dict().items()}
    # Not save_file: its file is for its owner alone, and it names a full disk in an error of its own.
    (folder / WEIGHTS_NAME).write_bytes(save(weights, metadata | {"config_sha256": _config_sha256(info)}))
    (folder / CONFIG_NAME).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    if not onnx:
        return
    from train.export.onnx_export import Tower, onnx_model

    for modality, name in ONNX_NAMES.items():
        given = info[f"{modality}_input"]
        tower = Tower(loaded.encoders, "video" if modality == "video" else "audio").eval()
        (folder / name).write_bytes(onnx_model(tower, given["name"], given["shape"][1:], metadata))
        logger.info("%s: equal to torch's outputs", name)


def load_exported(folder: str | Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """Load the encoders of an export, in eval mode, on the device. Needs neither run nor trainer, and unpickles nothing.

    Raises:
        CheckpointError: a file is missing, damaged or changed, of another format, or of a release that prepared the
            encoders' input differently.
        ConfigError: it holds settings that this release does not know.
    """
    folder = Path(folder)
    info, path = read_description(folder), folder / WEIGHTS_NAME
    if not path.is_file():
        raise CheckpointError(f"{path}: is not there; export the run again")
    try:
        with safe_open(path, framework="pt") as file:
            metadata, weights = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or not a safetensors file ({error}); export the run again") from error
    if (metadata.get("format"), metadata.get("format_version")) != (FORMAT_NAME, str(FORMAT_VERSION)):
        raise CheckpointError(f"{path}: is not an {FORMAT_NAME} file of version {FORMAT_VERSION}; export the run again")
    if metadata.get("config_sha256") != _config_sha256(info):
        raise CheckpointError(f"{folder / CONFIG_NAME}: was changed, or belongs to other weights; export the run again")
    loaded = filled_encoders(info["config"], weights, info["shard_params"], info["step"], path, device)
    if loaded.sha256 != info["encoder_sha256"]:
        raise CheckpointError(
            f"{path}: the weights have sha256 {loaded.sha256}, {CONFIG_NAME} says {info['encoder_sha256']}"
        )
    now = describe(loaded, info["shards_fingerprint"])
    other = [name for name in ("video_input", "audio_input") if now[name] != info[name]]
    if other:
        raise CheckpointError(
            f"{folder}: this release prepares {', '.join(other)} differently from the one that trained"
        )
    return loaded


def read_description(folder: Path) -> dict[str, Any]:
    """Read config.json of an export.

    Raises:
        CheckpointError: missing, damaged, of another format, or without a value that loading needs.
    """
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise CheckpointError(f"{path}: is not there; is this an export? (python -m evaluate export RUN OUT)")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise CheckpointError(f"{path}: cannot be read ({error}); export the run again") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT_NAME:
        raise CheckpointError(f"{path}: does not describe Avtempo encoders")
    version = info.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path}: export format {version}; this release reads {FORMAT_VERSION}")
    wrong = sorted(name for name, kind in _NEEDED.items() if not isinstance(info.get(name), kind))
    if wrong:
        raise CheckpointError(f"{path}: {', '.join(wrong)} missing or of a wrong type; export the run again")
    return info


def _config_sha256(info: dict[str, Any]) -> str:
    """Checksum the values of config.json, whatever its indentation."""
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode()).hexdigest()
