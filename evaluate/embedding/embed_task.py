"""A few shards to parts of embedding stores. The shards are read once for all models that lack them.

A part lies beside its store (`parts/NAME/shard-000000.h5`) and is written when all clips of its shard are embedded. A
stopped task loses only the shards that it had begun.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from evaluate.embedding.clip_encoders import ClipEncoder, ModelName, RunEncoders, encode_clips
from evaluate.embedding.clip_rows import cut_clips, make_rows
from evaluate.errors import EmbedError
from preprocess.shards.manifest import DatasetInfo, read_dataset, read_segments
from store.format import Provenance
from store.writer import join_parts, part_is_complete, write_part
from train.data.loader import iterate_once
from train.data.loader_config import LoaderConfig
from train.plans.clip_planners import EvenClips

PARTS_FOLDER = "parts"


@dataclass(frozen=True)
class EmbedOptions:
    """Which clips are embedded, and how.

    Attributes:
        n_clips: clips a segment and speed, evenly spaced.
        speeds: playback speeds; empty for the one that the encoder's configuration evaluates at.
        batch_size: segments at once.
        device: where the encoders run.
        num_threads: threads that decode.
    """

    n_clips: int = 4
    speeds: tuple[int, ...] = ()
    batch_size: int = 16
    device: str = "cpu"
    num_threads: int = 2

    def speeds_of(self, run: RunEncoders) -> tuple[int, ...]:
        """Return the chosen speeds, or the run's own."""
        return self.speeds or (run.config.clip.eval_speed,)


@dataclass(frozen=True)
class EmbedTask:
    """The work of embedding a few shards.

    Attributes:
        run: the encoders.
        models: names of the encoders that lack parts.
        shards: folder of the shard set.
        only_shards: names of the shards to read, such as `shard-000002.tar`.
        outputs: model -> its store.
        dataset: name of the data set, kept in the stores.
        options: clips and device.
        window_frames: frames of the longest segment of the whole set, so that all tasks read the same windows.
    """

    run: RunEncoders
    models: tuple[ModelName, ...]
    shards: Path
    only_shards: tuple[str, ...]
    outputs: Mapping[ModelName, Path]
    dataset: str
    options: EmbedOptions
    window_frames: int


@dataclass(frozen=True)
class TaskProgress:
    """How many segments of a task are done; its first shard names the task."""

    first_shard: str
    n_segments: int = 0


class Target:
    """An unfinished store: the shards that it lacks, and the clips of the shards begun."""

    def __init__(self, encoder: ClipEncoder, path: Path, provenance: Provenance, shards: Sequence[str]) -> None:
        self.encoder, self.path, self.provenance, self.shards = encoder, path, provenance, shards
        self.missing = {shard for shard in shards if not part_is_complete(self.part(shard), provenance)}
        self._begun: dict[str, list[tuple[pd.DataFrame, dict[str, np.ndarray]]]] = {}

    def part(self, shard: str) -> Path:
        """Return the path of the part of a shard."""
        return parts_folder(self.path) / f"{Path(shard).stem}.h5"

    def add(self, shard: str, spans: pd.DataFrame, vectors: dict[str, np.ndarray]) -> None:
        """Keep clips of a shard until the shard is complete."""
        if shard in self.missing:
            self._begun.setdefault(shard, []).append((spans, vectors))

    def write(self, shard: str, segments: pd.DataFrame, fps: float) -> None:
        """Write the part of a shard whose clips have all been added."""
        if shard not in self.missing:
            return
        begun = self._begun.pop(shard)
        spans = pd.concat([spans for spans, _ in begun])
        vectors = {name: np.concatenate([vectors[name] for _, vectors in begun]) for name in begun[0][1]}
        write_part(self.part(shard), make_rows(spans, vectors, segments, fps), self.provenance)
        self.missing.discard(shard)

    def join(self) -> None:
        """Make the store from its parts, unless another process just has, then remove the parts."""
        if not part_is_complete(self.path, self.provenance):
            join_parts([self.part(shard) for shard in self.shards], self.path)
        remove_parts(self.path)


def parts_folder(store: Path) -> Path:
    """Return the folder of the parts of a store."""
    return store.parent / PARTS_FOLDER / store.stem


def remove_parts(store: Path) -> None:
    """Remove the parts of a finished store."""
    folder = parts_folder(store)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # it may hold the parts of other stores
        folder.parent.rmdir()


def make_provenance(
    encoder: ClipEncoder, run: RunEncoders, info: DatasetInfo, dataset: str, options: EmbedOptions
) -> Provenance:
    """Return what identifies a store: encoder, shard set, and which clips of a segment are embedded."""
    clip = run.config.clip
    # A store that does not name a base stride has 1.
    clips = {
        "n_frames": clip.n_frames, "crop_px": clip.crop_px, "frame_px": run.config.data.frame_px,
        "n_clips": options.n_clips, "speeds": list(options.speeds_of(run)), "allowed_speeds": list(clip.speeds),
    } | ({"base_stride": clip.base_stride} if clip.base_stride > 1 else {})  # fmt: skip
    return Provenance(
        encoder.sha256, {"model": encoder.description, "clips": clips}, info.fingerprint, dataset, encoder.name
    )


def embed_shards(task: EmbedTask, report: Callable[[TaskProgress], None]) -> TaskProgress:
    """Write the missing parts of the task's shards.

    Raises:
        EmbedError: a shard gave fewer segments than the manifest lists.
        train.errors.LoaderError: a shard cannot be read.
        store.errors.StoreError: a part cannot be written.
    """
    info = read_dataset(task.shards)
    targets = [
        Target(
            encoder, task.outputs[encoder.name],
            make_provenance(encoder, task.run, info, task.dataset, task.options), task.only_shards,
        )
        for encoder in task.run.encoders if encoder.name in task.models
    ]  # fmt: skip
    wanted = {shard for target in targets for shard in target.missing}
    progress = TaskProgress(task.only_shards[0])
    if not wanted:
        return progress
    segments = read_segments(task.shards, only_shards=wanted).set_index("segment_id")
    left = segments.groupby("shard").size().to_dict()
    for batch in iterate_once(_loader(task, wanted), task.options.device):
        clips = cut_clips(batch, task.run.config.clip, info.params.columns_per_frame)
        shard_of = segments.loc[clips.spans["segment_id"], "shard"].to_numpy()
        here = dict.fromkeys(shard_of)
        for target in targets:
            if not target.missing.isdisjoint(here):
                vectors = encode_clips(target.encoder, clips)
                for shard in here:
                    rows = shard_of == shard
                    target.add(shard, clips.spans[rows], {k: v[rows] for k, v in vectors.items()})
        for shard in here:
            left[shard] -= len(np.unique(clips.spans["segment_id"][shard_of == shard]))
            if left[shard] == 0:
                for target in targets:
                    target.write(shard, segments, info.params.fps)
        progress = TaskProgress(progress.first_shard, progress.n_segments + len(batch))
        report(progress)
    if short := sorted(str(shard) for shard, n_left in left.items() if n_left):
        raise EmbedError(f"{task.shards}: {', '.join(short)} gave fewer segments than the manifest lists; verify them")
    return progress


def _loader(task: EmbedTask, wanted: Collection[str]) -> LoaderConfig:
    return LoaderConfig(
        shards=str(task.shards),
        batch_size=task.options.batch_size,
        frame_px=task.run.config.data.frame_px,
        window_frames=max(task.window_frames, task.run.config.clip.n_frames),
        shuffle=False,
        seed=0,
        num_threads=task.options.num_threads,
        only_shards=tuple(sorted(wanted)),
        clips=EvenClips(task.run.config.clip, task.options.n_clips, task.options.speeds_of(task.run)),
    )
