"""Embedding shards, beside the encoders' forward passes alone on the same clips."""

import collections
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.question import OURS, BenchmarkError, Setting, Way, race, timed
from benchmarks.sources import CORES, FPS, collage, shards_of
from evaluate.embedding.clip_encoders import RunEncoders, encode_clips, load_run
from evaluate.embedding.clip_rows import cut_clips
from evaluate.embedding.embed import embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.results.results import Result
from preprocess.schema import ShardParams
from store.reader import EmbeddingStore
from train.config.load import load_config
from train.data.batch import SegmentBatch
from train.data.loader import iterate_once
from train.data.loader_config import LoaderConfig
from train.plans.clip_planners import EvenClips
from train.run.checkpoint import LAST_NAME
from train.run.pretraining import pretrain

TASK = "embedding"
SIZES = {"tiny": 96, "r2plus1d_18": 4}
"""Segments by video encoder."""
FLOOR, PARTS = "the forward passes alone", "loading, then the forward passes"
OPTIONS = EmbedOptions(n_clips=2, batch_size=8, num_threads=CORES)
OVERRIDES = (
    "clip.n_frames=16", "clip.crop_px=96", "data.frame_px=96", "data.window_frames=125", "data.split=''",
    "heldout.split=''", "data.batch_size=2", "steps=1",
)  # fmt: skip
"""Of the sample preset. One step: the weights do not change the speed."""


def measure(setting: Setting) -> list[Result]:
    """Two clips of 16 frames of 96 px a segment, video and audio, by the small encoder and by a large one."""
    return [record for model, n in SIZES.items() for record in _race(model, setting.sized(n, 2), setting)]


def _race(model: str, n: int, setting: Setting) -> list[Result]:
    folder = setting.data
    params = ShardParams(fps=FPS, short_side_px=96, sources_per_shard=32)
    shards = shards_of(collage(folder, n), folder / f"embedding-shards-{n}", params)
    trained = folder / f"embedding-{model}-{n}"
    config = load_config("sample", (f"model.video={model}", f"data.shards={shards}", *OVERRIDES))
    pretrain(config, trained, device="cpu")
    run = load_run(trained / "checkpoints" / LAST_NAME, ["pretrained"])
    clips = [cut_clips(batch, run.config.clip, params.columns_per_frame) for batch in _batches(run, shards, params)]
    n_clips = sum(len(each.audio) for each in clips)

    def forward() -> None:
        for each in clips:
            encode_clips(run.encoders[0], each)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as out:
            path = Path(out) / "embeddings.h5"
            embed(run, shards, {"pretrained": path}, "collage", OPTIONS)
            with EmbeddingStore(path) as store:
                if store.n_rows != n_clips:
                    raise BenchmarkError(f"{TASK}: {store.n_rows} rows of {n_clips} clips")

    def parts() -> None:
        collections.deque(_batches(run, shards, params), maxlen=0)  # decodes all, cuts no clip
        forward()

    ways = [Way(OURS, timed(ours)), Way(FLOOR, timed(forward), goal=0.9), Way(PARTS, timed(parts))]
    return race(TASK, f"{model} encoder", {"clips": n_clips}, ways, setting)


def _batches(run: RunEncoders, shards: Path, params: ShardParams) -> Iterator[SegmentBatch]:
    config = LoaderConfig(
        shards=str(shards), batch_size=OPTIONS.batch_size, frame_px=run.config.data.frame_px,
        window_frames=params.segment_frames, shuffle=False, seed=0, num_threads=CORES,
        clips=EvenClips(run.config.clip, OPTIONS.n_clips, OPTIONS.speeds_of(run)),
    )  # fmt: skip
    return iterate_once(config)
