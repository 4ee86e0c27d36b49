"""Asks what embedding shards takes beside the encoders' forward passes alone, on the same clips."""

import collections
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.race import OURS, Effort, Race, Way, race, timed
from benchmarks.sources import CORES, FPS, collage, shards_of
from benchmarks.untaught import checkpoint
from evaluate.embedding.clip_encoders import ClipEncoder, RunEncoders, load_run
from evaluate.embedding.clip_rows import Clips, cut_clips
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from preprocess.schema import ShardParams
from store.reader import EmbeddingStore
from train.data.batch import SegmentBatch
from train.data.loader import LoaderConfig, iterate_once
from train.plans.clip_planners import EvenClips

TASK = "embedding"
SIZES = {"tiny": 96, "r2plus1d_18": 4}
"""Segments by video encoder."""
FLOOR, PARTS = "the forward passes alone", "loading, then the forward passes"
OPTIONS = EmbedOptions(n_clips=2, batch_size=8, num_threads=CORES)


def measure(folder: Path, effort: Effort) -> list[Race]:
    """Two clips of 16 frames of 96 px a segment, picture and sound, by the small encoder and by a large one."""
    return [_race(folder, model, effort.sized(full, 2), effort) for model, full in SIZES.items()]


def _race(folder: Path, model: str, n: int, effort: Effort) -> Race:
    params = ShardParams(fps=FPS, short_side_px=96, sources_per_shard=32)
    shards = shards_of(collage(folder, n), folder / f"embedding-shards-{n}", params)
    run = load_run(_checkpoint(folder, shards, model), ["pretrained"])
    clips = _clips(run, shards, params)
    n_clips, forward = sum(len(each.audio) for each in clips), _forward(run.encoders[0], clips)
    return race(
        TASK, f"{model} encoder", {"clips": n_clips},
        [
            Way(OURS, timed(_ours(run, shards, n_clips))),
            Way(FLOOR, timed(forward), goal=0.9),
            Way(PARTS, timed(lambda: (_load(run, shards, params), forward()))),
        ],
        effort,
    )  # fmt: skip


def _checkpoint(folder: Path, shards: Path, model: str) -> Path:
    overrides = (
        f"model.video={model}", "clip.n_frames=16", "clip.crop_px=96", "data.frame_px=96", "data.window_frames=125",
    )  # fmt: skip
    return checkpoint(folder / f"embedding-{model}.pt", "sample", shards, overrides)


def _batches(run: RunEncoders, shards: Path, params: ShardParams) -> Iterator[SegmentBatch]:
    config = LoaderConfig(
        shards=str(shards), batch_size=OPTIONS.batch_size, frame_px=run.config.data.frame_px,
        window_frames=params.segment_frames, shuffle=False, seed=0, num_threads=CORES,
        clips=EvenClips(run.config.clip, OPTIONS.n_clips, OPTIONS.speeds_of(run)),
    )  # fmt: skip
    return iterate_once(config)


def _clips(run: RunEncoders, shards: Path, params: ShardParams) -> list[Clips]:
    return [cut_clips(batch, run.config.clip, params.columns_per_frame) for batch in _batches(run, shards, params)]


def _load(run: RunEncoders, shards: Path, params: ShardParams) -> None:
    """Decode everything; no clip is cut."""
    collections.deque(_batches(run, shards, params), maxlen=0)


def _ours(run: RunEncoders, shards: Path, n_clips: int) -> Callable[[], None]:
    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "embeddings.h5"
            embed(run, shards, {"pretrained": path}, "collage", OPTIONS)
            with EmbeddingStore(path) as store:
                if store.n_rows != n_clips:
                    raise ValueError(f"{store.n_rows} rows of {n_clips} clips")

    return work


def _forward(encoder: ClipEncoder, clips: list[Clips]) -> Callable[[], None]:
    def work() -> None:
        for batch in clips:
            if batch.video is not None:
                encoder.encode_video(batch.video)
            encoder.encode_audio(batch.audio[torch.from_numpy(np.flatnonzero(batch.spans.has_audio))])

    return work
