"""Encoders for single files: `train.load_encoders(run).embed_file("clip.mp4")`."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocess.build.pipeline import build
from preprocess.executors.processes import SerialExecutor
from preprocess.media.probe import probe
from preprocess.schema import Media, ShardParams
from preprocess.shards.manifest import read_segments
from preprocess.sources import Catalogue, Source, escaped_name
from preprocess.temporary_folder import temporary_folder
from train.data.loader import iterate_once
from train.data.loader_config import LoaderConfig
from train.export.export import WEIGHTS_NAME, load_exported
from train.model.spaces import MODALITIES
from train.plans.clip_planners import EvenClips
from train.run.checkpoint import LAST_NAME, LoadedEncoders
from train.run.checkpoint import load_encoders as load_checkpoint
from train.views.views import eval_clips


@dataclass(frozen=True, eq=False, repr=False)
class FileEmbedding:
    """The clips of one file, in order of time.

    Attributes:
        start_seconds, end_seconds: (n,) float64, the part of the file that each clip shows.
        vectors: "video/features" (n, d), "video/projections" (n, p), and the same for "audio", float32. A modality that
            the file lacks, or that no term of the objective reads, has no entry; clips of silent segments have zeros.
    """

    start_seconds: np.ndarray
    end_seconds: np.ndarray
    vectors: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start_seconds)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in self.vectors.items())
        return f"FileEmbedding({len(self)} clips, {shapes})"


@dataclass(frozen=True, eq=False, repr=False)
class FileEncoder:
    """Both encoders of a run or an export, applied to media files.

    A file takes the way of every training and evaluation: ffmpeg, one passing shard, DALI, the encoders in eval mode.
    So its vectors are those that `python -m evaluate embed` stores for the same clips.
    """

    loaded: LoadedEncoders
    device: str = "cpu"

    def embed_file(self, path: Path | str, *, n_clips: int = 4) -> FileEmbedding:
        """Embed a file's clips.

        Args:
            path: a video or audio file.
            n_clips: clips a segment (10 s by default presets), evenly spaced; short segments give fewer.

        Raises:
            MediaError: the file cannot be probed.
            ShardError: it cannot be decoded.
        """
        path = Path(path)
        info = probe(path)
        media: Media = "audio" if info.has_audio and not info.has_video else "video"
        params = replace(self.loaded.shard_params, media=media)
        with tempfile.TemporaryDirectory(prefix="avtempo-embed-", dir=temporary_folder()) as folder:
            shards = Path(folder) / "shards"
            catalogue = Catalogue("file", params.media, (Source(0, path, escaped_name(path.name)),))
            build(catalogue, shards, params, executor=SerialExecutor())
            return self._embed_shards(shards, params, n_clips)

    def _embed_shards(self, shards: Path, params: ShardParams, n_clips: int) -> FileEmbedding:
        config = self.loaded.config
        segments = read_segments(shards).set_index("segment_id")
        loader = LoaderConfig(
            shards=str(shards), batch_size=8, frame_px=config.data.frame_px, shuffle=False, seed=0, num_threads=2,
            window_frames=max(int(segments["n_frames"].max()), config.clip.n_frames),
            clips=EvenClips(config.clip, n_clips, (config.clip.eval_speed,)),
        )  # fmt: skip
        starts, ends, heard, vectors = [], [], [], dict[str, list[np.ndarray]]()
        for batch in iterate_once(loader, self.device):
            cut = eval_clips(batch, config.clip, params.columns_per_frame)
            segment = np.repeat(np.arange(len(batch)), n_clips)
            first = cut.start_frame.cpu().numpy()
            _, kept = np.unique(np.stack([segment, first]), axis=1, return_index=True)  # short segments repeat clips
            origin = segments.loc[batch.segment_id.cpu().numpy()[segment], "start_seconds"].to_numpy()
            starts.append((origin + first / params.fps)[kept])
            ends.append(starts[-1] + cut.span_frames.cpu().numpy()[kept] / params.fps)
            heard.append(batch.has_audio.cpu().numpy()[segment[kept]])
            for name, value in self._encode(cut.video, cut.audio, kept).items():
                vectors.setdefault(name, []).append(value.float().cpu().numpy())
        joined = {name: np.concatenate(parts) for name, parts in vectors.items()}
        has_audio = np.concatenate(heard)
        for name in [name for name in joined if name.startswith("audio")]:
            if has_audio.any():
                joined[name][~has_audio] = 0
            else:
                del joined[name]
        return FileEmbedding(np.concatenate(starts), np.concatenate(ends), joined)

    def _encode(self, video: Tensor | None, audio: Tensor | None, kept: np.ndarray) -> dict[str, Tensor]:
        """Clips video (n, 3, T, H, W) and audio (n, 1, n_mels, C), of which some rows are kept, to vectors by name."""
        encoders, loss, found = self.loaded.encoders, self.loaded.config.loss, dict[str, Tensor]()
        with torch.inference_mode():
            for modality, clips in zip(MODALITIES, (video, audio), strict=True):
                if clips is not None and loss.terms_of(modality):
                    found[f"{modality}/features"] = features = getattr(encoders, modality)(clips[kept])
                    found[f"{modality}/projections"] = encoders.project(modality, features)
        return found


def load_encoders(run_or_export: Path | str, device: str = "cpu") -> FileEncoder:
    """Load both encoders of a run (its last checkpoint), of a checkpoint file, or of an export.

    Raises:
        CheckpointError: no encoders there, or damaged ones.
    """
    path = Path(run_or_export)
    if (path / WEIGHTS_NAME).is_file():
        return FileEncoder(load_exported(path, device), device)
    return FileEncoder(load_checkpoint(path if path.is_file() else path / "checkpoints" / LAST_NAME, device), device)
