"""Encoders out of a run and back: weights, a description, ONNX and a model card in one folder (docs/reference/export.md)."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from preprocess.schema import MEL_POWER_FLOOR
from store.atomic_files import atomic_folder
from train.config.load import config_from_dict
from train.errors import CheckpointError, ExportError, exporting
from train.run.checkpoint import (
    LAST_NAME,
    LoadedEncoders,
    encoders_sha256,
    filled_encoders,
    load_encoders,
    params_from_dict,
    read_checkpoint,
)
from train.views.views import LOG_MIDDLE, LOG_SCALE

logger = logging.getLogger("train")

FORMAT_NAME = "avtempo-encoders"
FORMAT_VERSION = 1
WEIGHTS_NAME = "encoders.safetensors"
CONFIG_NAME = "config.json"
ONNX_NAMES = {"video": "video.onnx", "audio": "audio.onnx"}
CARD_NAME = "README.md"
_NEEDED = {
    "config": dict, "shard_params": dict, "video_input": dict, "audio_input": dict, "encoder_sha256": str,
    "shards_fingerprint": str, "step": int,
}  # fmt: skip
"""What loading reads of config.json, and its types."""
_FILES = {WEIGHTS_NAME, CONFIG_NAME, CARD_NAME, *ONNX_NAMES.values()}


def export_run(run: Path, out: Path, *, onnx: bool = True, force: bool = False) -> Path:
    """Write the encoders of a run's last checkpoint to the folder `out`, whole or not at all.

    Args:
        run: directory of the run, complete or not.
        out: folder to make.
        onnx: make the ONNX files too.
        force: replace an export that is there.

    Returns:
        The folder, absolute.

    Raises:
        CheckpointError: the run has no checkpoint, a damaged one, or one that its training.json does not belong to.
        ExportError: `out` is taken or cannot be written, ONNX computes something else than torch, or a record of the run
            is damaged.
    """
    from train.export.model_card import model_card
    from train.export.run_records import read_records

    out = out.absolute()
    _refuse_taken(out, force=force)
    path = run / "checkpoints" / LAST_NAME
    checkpoint, loaded = read_checkpoint(path), load_encoders(path)
    if checkpoint.step != loaded.step:
        raise ExportError(f"{run}: training went on while it was read; export again, best when it is complete")
    info = describe(loaded, checkpoint.shards_fingerprint)
    records = read_records(run, checkpoint, loaded)
    with atomic_folder(out, exporting) as folder:
        (folder / WEIGHTS_NAME).write_bytes(_weights(loaded, info))
        (folder / CONFIG_NAME).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        if onnx:
            _write_onnx(folder, loaded, info)
        (folder / CARD_NAME).write_text(model_card(loaded, info, records, onnx=onnx), encoding="utf-8")
    logger.info("%s: encoders of step %d, sha256 %s", out, loaded.step, loaded.sha256)
    return out


def describe(loaded: LoadedEncoders, shards_fingerprint: str) -> dict[str, Any]:
    """What config.json says; all of it plain values, and nothing of this machine."""
    encoders, clip, params = loaded.encoders, loaded.config.clip, loaded.shard_params
    config = loaded.config.as_dict()
    config["data"]["shards"] = ""  # a path where it was trained; the fingerprint says which shards these are
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


def load_exported(folder: str | Path, device: torch.device | str = "cpu") -> LoadedEncoders:
    """The encoders of an export, in eval mode, on the device. Needs neither the run nor the trainer; unpickles nothing.

    Raises:
        CheckpointError: a file is missing, damaged or changed, of another format, or of a release that prepared the
            encoders' input otherwise.
        ConfigError: it holds settings that this release does not know.
    """
    folder = Path(folder)
    info = _read_config(folder / CONFIG_NAME)
    path = folder / WEIGHTS_NAME
    metadata, weights = _read_weights(path)
    if (metadata.get("format"), metadata.get("format_version")) != (FORMAT_NAME, str(FORMAT_VERSION)):
        raise CheckpointError(f"{path}: holds no {FORMAT_NAME} of version {FORMAT_VERSION}; export the run again")
    if metadata.get("config_sha256") != _config_sha256(info):
        raise CheckpointError(f"{folder / CONFIG_NAME}: was changed, or belongs to other weights; export the run again")
    config = config_from_dict(info["config"], str(folder / CONFIG_NAME))
    encoders = filled_encoders(config, weights, path)
    sha256 = encoders_sha256(encoders)
    if sha256 != info["encoder_sha256"]:
        raise CheckpointError(f"{path}: the weights have sha256 {sha256}, {CONFIG_NAME} says {info['encoder_sha256']}")
    params = params_from_dict(info["shard_params"], str(folder / CONFIG_NAME))
    loaded = LoadedEncoders(encoders.to(device).eval(), config, params, sha256, info["step"])
    now = describe(loaded, info["shards_fingerprint"])
    other = [name for name in now if name.endswith("_input") and now[name] != info[name]]
    if other:
        raise CheckpointError(f"{folder}: this release prepares {', '.join(other)} otherwise than the one that trained")
    return loaded


def _refuse_taken(out: Path, *, force: bool) -> None:
    """Raise ExportError if something stands at `out` that may not be replaced."""
    if not out.exists() and not out.is_symlink():
        return
    try:
        is_export = not out.is_symlink() and _read_config(out / CONFIG_NAME)["format"] == FORMAT_NAME
    except CheckpointError:
        is_export = False
    if not is_export:
        raise ExportError(f"{out}: is there and is no export; choose a folder that does not exist yet")
    strangers = sorted(path.name for path in out.iterdir() if path.name not in _FILES)
    if strangers:
        raise ExportError(f"{out}: holds files that an export does not write ({', '.join(strangers[:5])}); move them")
    if not force:
        raise ExportError(f"{out}: holds an export already; --force replaces it")


def _weights(loaded: LoadedEncoders, info: dict[str, Any]) -> bytes:
    metadata = {
        "format": FORMAT_NAME, "format_version": str(FORMAT_VERSION), "encoder_sha256": loaded.sha256,
        "config_sha256": _config_sha256(info),
    }  # fmt: skip
    return save({name: tensor.contiguous() for name, tensor in loaded.encoders.state_dict().items()}, metadata)


def _config_sha256(info: dict[str, Any]) -> str:
    """Checksum of what config.json says, however it is indented."""
    return hashlib.sha256(json.dumps(info, sort_keys=True).encode()).hexdigest()


def _write_onnx(folder: Path, loaded: LoadedEncoders, info: dict[str, Any]) -> None:
    from train.export.onnx_export import Input, Tower, onnx_model

    for modality, name in ONNX_NAMES.items():
        given = Input(info[f"{modality}_input"]["name"], tuple(info[f"{modality}_input"]["shape"][1:]))
        tower = Tower(loaded.encoders, "video" if modality == "video" else "audio").eval()
        metadata = {"format": FORMAT_NAME, "format_version": str(FORMAT_VERSION), "encoder_sha256": loaded.sha256}
        (folder / name).write_bytes(onnx_model(tower, given, metadata))
        logger.info("%s: equal to torch's outputs", name)


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(
            f"{path}: is not there; is this the folder of an export? (python -m train export RUN OUT)"
        )
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise CheckpointError(f"{path}: cannot be read ({error}); export the run again") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT_NAME:
        raise CheckpointError(f"{path}: does not describe Avtempo encoders")
    if info.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: export format {info.get('format_version')}; this release reads {FORMAT_VERSION}"
        )
    wrong = sorted(name for name, kind in _NEEDED.items() if not isinstance(info.get(name), kind))
    if wrong:
        raise CheckpointError(f"{path}: lacks {', '.join(wrong)}, or has them of another type; export the run again")
    return info


def _read_weights(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise CheckpointError(f"{path}: is not there; export the run again")
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or no safetensors file ({error}); export the run again") from error
