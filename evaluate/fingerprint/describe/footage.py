"""The footage of a query: frames and log-mels of whole files, a window at a time, so that they can be looked at in several ways.

The loader of training gives squares. A view of a query may lie anywhere in the frame, so its frames are read whole.
"""

import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocess.features.strip import decode_strip
from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, META_FIELDS, META_MEMBER, ShardParams
from preprocess.shards.manifest import read_segments
from preprocess.shards.shard_files import read_samples


@dataclass(frozen=True, eq=False)
class Footage:
    """Consecutive frames of a file on the encoder's clock, with their log-mels.

    Attributes:
        frames: (T, H, W, 3) uint8, or None without video.
        logmel: (n_mels, T * columns_per_frame) float32, natural log of mel power.
        has_audio: (T,) bool.
        first_frame: number of the first frame in the file.
    """

    frames: Tensor | None
    logmel: Tensor
    has_audio: Tensor
    first_frame: int = 0

    def __len__(self) -> int:
        return len(self.has_audio)

    def part(self, first: int, last: int) -> "Footage":
        """Frames [first, last), counted from the footage's first."""
        per_frame = self.logmel.shape[1] // len(self)
        return Footage(
            None if self.frames is None else self.frames[first:last], self.logmel[:, first * per_frame : last * per_frame],
            self.has_audio[first:last], self.first_frame + first,
        )  # fmt: skip


@dataclass(frozen=True)
class FootageFile:
    """A file whose segments lie in temporary shards, which stay while it is in use.

    Attributes:
        source: name of the file.
        params: of the shards.
        n_frames: of the whole file.
        shards: their folder.
        rows: shard, key and number of frames of each segment, in order of time.
    """

    source: str
    params: ShardParams
    n_frames: int
    shards: Path
    rows: tuple[tuple[str, str, int], ...]

    @property
    def seconds(self) -> float:
        """Length on the encoder's clock."""
        return self.n_frames / self.params.fps

    def windows(self, most_seconds: float, overlap_frames: int) -> Iterator[Footage]:
        """Yield windows of equal lengths; each goes on for `overlap_frames` into the next.

        Raises:
            ShardError: the shards are damaged.
        """
        n_windows = max(1, int(np.ceil(self.seconds / most_seconds)))
        edges = np.linspace(0, self.n_frames, n_windows + 1).round().astype(int).tolist()
        segments, held = self._segments(), list[Footage]()
        for first, last in itertools.pairwise(edges):
            end = min(last + overlap_frames, self.n_frames)
            while not held or held[-1].first_frame + len(held[-1]) < end:
                held.append(next(segments))
            held = [each for each in held if each.first_frame + len(each) > first]
            joined, begin = _joined(held), held[0].first_frame
            yield joined.part(first - begin, end - begin)

    def _segments(self) -> Iterator[Footage]:
        first_frame = 0
        for shard, rows in itertools.groupby(self.rows, itemgetter(0)):
            path = self.shards / shard
            with path.open("rb") as file:
                samples = {each.key: each for each in read_samples(file, path)}  # all headers, so once a shard
                for _, key, n_frames in rows:
                    members = {
                        each.suffix: os.pread(file.fileno(), each.n_bytes, each.offset) for each in samples[key].members
                    }
                    yield _segment(members, n_frames, first_frame)
                    first_frame += n_frames


def footage_files(shards: Path, params: ShardParams, names: dict[int, str]) -> Iterator[FootageFile]:
    """List the files in temporary shards.

    Args:
        shards: their folder.
        params: they were made with.
        names: name of each source, by its number.
    """
    table = read_segments(shards).sort_values("segment_id")
    for number in sorted(set(table["source_index"].tolist())):
        rows = table[table["source_index"] == number]
        kept = tuple(zip(*(rows[name].tolist() for name in ("shard", "key", "n_frames")), strict=True))
        yield FootageFile(names[number], params, int(rows["n_frames"].sum()), shards, kept)


def _segment(members: dict[str, bytes], n_frames: int, first_frame: int) -> Footage:
    meta = dict(zip(META_FIELDS, np.load(io.BytesIO(members[META_MEMBER])).tolist(), strict=True))
    strip = members.get(FRAMES_MEMBER)
    frames = None if strip is None else torch.from_numpy(decode_strip(strip, n_frames))
    logmel = torch.from_numpy(np.load(io.BytesIO(members[LOGMEL_MEMBER])).astype(np.float32))
    return Footage(frames, logmel, torch.full((n_frames,), bool(meta["has_audio"])), first_frame)


def _joined(parts: list[Footage]) -> Footage:
    frames = [each.frames for each in parts if each.frames is not None]
    return Footage(
        torch.cat(frames) if frames else None, torch.cat([each.logmel for each in parts], 1),
        torch.cat([each.has_audio for each in parts]), parts[0].first_frame,
    )  # fmt: skip
