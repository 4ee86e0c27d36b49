"""Shards and encoders to embedding stores: one pass over the shards feeds every model that still needs it.

A model's vectors are written a shard at a time, as parts beside its store (`parts/NAME/shard-000000.h5`), and joined
when all are there. A run that was stopped goes on with the shards that are missing. A store or part of another
checkpoint, shard set or choice of clips counts as missing and is replaced.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluate.clips import ClipSpans, cut_clips, make_rows
from evaluate.encode import ClipEncoder, ModelName, RunEncoders, check_params, clip_settings, encode_clips
from evaluate.errors import EmbedError
from preprocess.manifest import read_dataset, read_segments
from preprocess.schema import ShardParams
from store.format import Provenance
from store.writer import join_parts, part_is_complete, write_part
from train.loader import LoaderConfig, iterate_once
from train.planners import EvenClips

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

PARTS_FOLDER = "parts"


@dataclass(frozen=True)
class EmbedOptions:
    """How segments are cut into clips and worked through.

    Attributes:
        n_clips: clips a segment and speed, evenly spaced.
        speeds: playback speeds; empty for the one that the encoder's configuration evaluates at.
        batch_size: segments at once.
        device: where the encoders run.
        num_threads: threads that decode.

    Raises:
        EmbedError: a value is out of range.
    """

    n_clips: int = 4
    speeds: tuple[int, ...] = ()
    batch_size: int = 16
    device: str = "cpu"
    num_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("n_clips", "batch_size", "num_threads"):
            if getattr(self, name) < 1:
                raise EmbedError(f"{name} must be at least 1, not {getattr(self, name)}")
        if any(speed < 1 for speed in self.speeds):
            raise EmbedError(f"speeds are whole numbers from 1 up, not {self.speeds}")


@dataclass(frozen=True)
class Progress:
    """How far a pass is: segments done of those that it has to do, and the seconds it took."""

    done: int
    total: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What was done.

    Attributes:
        embedded: models whose store was made, or made again.
        current: models whose store was there already.
        n_segments: segments that were read.
        seconds: time of the whole.
    """

    embedded: tuple[ModelName, ...]
    current: tuple[ModelName, ...]
    n_segments: int
    seconds: float


class _Target:
    """A store in the making: the shards that it lacks, and the clips of those begun."""

    def __init__(self, encoder: ClipEncoder, path: Path, provenance: Provenance, shards: Sequence[str]) -> None:
        self.encoder, self.path, self.provenance, self.shards = encoder, path, provenance, shards
        self.missing = {shard for shard in shards if not part_is_complete(self.part(shard), provenance)}
        self._begun: dict[str, list[tuple[ClipSpans, dict[str, np.ndarray]]]] = {}

    def part(self, shard: str) -> Path:
        """Where the part of a shard lies."""
        return self.path.parent / PARTS_FOLDER / self.path.stem / f"{Path(shard).stem}.h5"

    def add(self, shard: str, spans: ClipSpans, vectors: dict[str, np.ndarray]) -> None:
        """Keep the clips of a shard until it is whole."""
        if shard in self.missing:
            self._begun.setdefault(shard, []).append((spans, vectors))

    def write(self, shard: str, segments: "pd.DataFrame", fps: float) -> None:
        """Write the part of a shard whose clips have all been added."""
        begun = self._begun.pop(shard)
        spans = ClipSpans.concatenate([spans for spans, _ in begun])
        vectors = {name: np.concatenate([vectors[name] for _, vectors in begun]) for name in begun[0][1]}
        part = self.part(shard)
        part.parent.mkdir(parents=True, exist_ok=True)
        write_part(part, make_rows(spans, vectors, segments, fps), self.provenance)
        self.missing.discard(shard)

    def join(self) -> None:
        """Make the store from its parts, then clear these away."""
        parts = [self.part(shard) for shard in self.shards]
        join_parts(parts, self.path)
        for part in parts:
            part.unlink()
        for folder in (parts[0].parent, parts[0].parent.parent):
            if not any(folder.iterdir()):
                folder.rmdir()


def embed(
    run: RunEncoders,
    shards: Path,
    outputs: Mapping[ModelName, Path],
    dataset: str,
    options: EmbedOptions,
    *,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Make the stores that are missing or out of date.

    Args:
        run: the encoders, and what clips they look at.
        shards: folder of the shard set.
        outputs: model -> its store, for every encoder of the run.
        dataset: name of the data set, kept in the stores.
        options: clips and device.
        progress: told after every batch.

    Raises:
        EmbedError: the shards do not fit the encoders, or hold nothing.
        train.errors.LoaderError: a shard cannot be read.
        store.errors.StoreError: a store cannot be written.
    """
    started = time.perf_counter()
    info = read_dataset(shards)
    check_params(run.shard_params, info.params, shards)
    segments = read_segments(shards).set_index("segment_id")
    if segments.empty:
        raise EmbedError(f"{shards}: holds no segments; its manifest says why each source failed")
    names = tuple(segments["shard"].unique())
    speeds = options.speeds or (run.config.clip.eval_speed,)
    settings = clip_settings(run.config.clip, run.config.data.frame_px, options.n_clips, speeds)
    targets = []
    for encoder in run.encoders:
        config = {**encoder.describe(), "clips": settings}
        provenance = Provenance(encoder.sha256, config, info.fingerprint, dataset, encoder.name)
        if not part_is_complete(outputs[encoder.name], provenance):
            targets.append(_Target(encoder, outputs[encoder.name], provenance, names))
    n_segments = 0
    if any(target.missing for target in targets):
        planner = EvenClips(run.config.clip, options.n_clips, speeds)
        n_segments = _Pass(run, shards, info.params, segments, options, planner).over(targets, progress)
    for target in targets:
        target.join()
    made = tuple(target.encoder.name for target in targets)
    current = tuple(encoder.name for encoder in run.encoders if encoder.name not in made)
    return Outcome(made, current, n_segments, time.perf_counter() - started)


@dataclass(frozen=True)
class _Pass:
    """One reading of the shards that at least one store lacks."""

    run: RunEncoders
    shards: Path
    params: ShardParams
    segments: "pd.DataFrame"
    options: EmbedOptions
    planner: EvenClips

    def over(self, targets: Sequence[_Target], progress: Callable[[Progress], None]) -> int:
        """Encode and write part by part; return the number of segments read."""
        wanted = {shard for target in targets for shard in target.missing}
        left = {shard: int((self.segments["shard"] == shard).sum()) for shard in sorted(wanted)}
        total, done, started = sum(left.values()), 0, time.perf_counter()
        for batch in iterate_once(self._loader(wanted), self.options.device):
            clips = cut_clips(batch, self.run.config.clip, self.params.columns_per_frame)
            shard_of = self.segments.loc[clips.spans.segment_id, "shard"].to_numpy()
            here = dict.fromkeys(shard_of)
            for target in targets:
                if not target.missing.isdisjoint(here):
                    vectors = encode_clips(target.encoder, clips)
                    for shard in here:
                        rows = shard_of == shard
                        target.add(shard, clips.spans.take(rows), {k: v[rows] for k, v in vectors.items()})
            for shard in here:
                left[shard] -= len(np.unique(clips.spans.segment_id[shard_of == shard]))
                if left[shard] == 0:
                    self._write(shard, targets)
            done += len(batch)
            progress(Progress(done, total, time.perf_counter() - started))
        if any(left.values()):
            short = ", ".join(sorted(shard for shard, count in left.items() if count))
            raise EmbedError(f"{self.shards}: {short} gave fewer segments than the manifest lists; verify the shards")
        return done

    def _write(self, shard: str, targets: Sequence[_Target]) -> None:
        for target in targets:
            if shard in target.missing:
                target.write(shard, self.segments, self.params.fps)

    def _loader(self, wanted: set[str]) -> LoaderConfig:
        frames = int(self.segments["n_frames"].max())  # of the whole set: a resumed pass sees the same windows
        return LoaderConfig(
            shards=str(self.shards),
            batch_size=self.options.batch_size,
            frame_px=self.run.config.data.frame_px,
            window_frames=max(frames, self.run.config.clip.n_frames),
            shuffle=False,
            seed=0,
            num_threads=self.options.num_threads,
            only_shards=tuple(sorted(wanted)),
            clips=self.planner,
        )
