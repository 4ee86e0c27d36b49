"""The descriptors of one source, in memory and as rows of an embedding store."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from store.format import Provenance, Rows
from store.reader import EmbeddingStore

VIDEO_NAME = "video/fingerprint"
AUDIO_NAME = "audio/fingerprint"


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Descriptors of one source at a fixed hop, in order of time.

    Attributes:
        source: name of the video or audio file, as in the index.
        start_seconds, end_seconds: half-open span of each descriptor's clip in the source, float64 (n,).
        has_video, has_audio: whether there is video and audio to describe, bool (n,).
        video: float32 (n, d), unit rows, zeros without video; None for a source of audio only.
        audio: float32 (n, e), unit rows, zeros without audio; None for a source of video only.

    Raises:
        ValueError: lengths differ, or there is neither video nor audio.
    """

    source: str
    start_seconds: np.ndarray
    end_seconds: np.ndarray
    has_video: np.ndarray
    has_audio: np.ndarray
    video: np.ndarray | None
    audio: np.ndarray | None

    def __post_init__(self) -> None:
        n = len(self.start_seconds)
        given = [self.end_seconds, self.has_video, self.has_audio, self.video, self.audio]
        if any(len(values) != n for values in given if values is not None):
            raise ValueError(f"{self.source}: descriptors of different lengths")
        if self.video is None and self.audio is None:
            raise ValueError(f"{self.source}: neither video nor audio")

    def __len__(self) -> int:
        return len(self.start_seconds)

    def of(self, modality: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Return which descriptors have "video" or "audio", bool (n,), and the vectors of all, (n, d)."""
        return getattr(self, f"has_{modality}"), getattr(self, modality)

    def rows(self, rows: slice) -> "Descriptors":
        """Select descriptors."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        selected: dict[str, Any] = {name: None if each is None else each[rows] for name, each in columns.items()}
        return replace(self, **selected)

    def __repr__(self) -> str:
        shapes = {name: getattr(self, name) for name in ("video", "audio")}
        shown = ", ".join(f"{name} {None if v is None else v.shape}" for name, v in shapes.items())
        return f"Descriptors({self.source!r}, n={len(self)}, {shown})"


def join_rows(parts: Sequence[Descriptors]) -> Descriptors:
    """Join parts of one source, in order of time; of parts that overlap, the later gives what begins after the earlier."""
    kept = [parts[0]]
    for part in parts[1:]:
        first = int(np.searchsorted(part.start_seconds, kept[-1].start_seconds[-1], side="right"))
        if first < len(part):
            kept.append(part.rows(slice(first, None)))
    if len(kept) == 1:
        return kept[0]
    names = [field.name for field in fields(kept[0])[1:]]
    columns = {name: [getattr(part, name) for part in kept] for name in names}
    joined: dict[str, Any] = {name: None if each[0] is None else np.concatenate(each) for name, each in columns.items()}
    return replace(kept[0], **joined)


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be described.

    Attributes:
        source: its name.
        reason: why, in ffmpeg's words if it gave any.
    """

    source: str
    reason: str


def make_rows(described: Sequence[Descriptors], video_dims: int, audio_dims: int) -> Rows:
    """Make the rows of a part: the descriptors of each source in order of time.

    Args:
        described: sources with different names.
        video_dims, audio_dims: lengths of the vectors; a source without a modality gets zeros.
    """
    source = np.concatenate([np.full(len(each), each.source, object) for each in described])
    n = len(source)
    keys = [f"{each.source}#{number:06d}" for each in described for number in range(len(each))]
    return Rows(
        key=np.array(keys, object), source=source, label=np.full(n, -1), label_name=np.full(n, "", object),
        group=np.full(n, "", object), splits=np.full(n, "{}", object),
        start_seconds=np.concatenate([each.start_seconds for each in described]),
        end_seconds=np.concatenate([each.end_seconds for each in described]),
        has_video=np.concatenate([each.has_video for each in described]),
        has_audio=np.concatenate([each.has_audio for each in described]),
        vectors={
            VIDEO_NAME: np.concatenate([_or_zeros(each.video, len(each), video_dims) for each in described]),
            AUDIO_NAME: np.concatenate([_or_zeros(each.audio, len(each), audio_dims) for each in described]),
        },
    )  # fmt: skip


def _or_zeros(vectors: np.ndarray | None, n: int, n_dims: int) -> np.ndarray:
    """Return vectors (n, d) float16: a cosine moves by less than 0.001, and the part is half as large."""
    return (np.zeros((n, n_dims)) if vectors is None else vectors).astype(np.float16)


def read_descriptors(path: Path, sources: Sequence[str], provenance: Provenance) -> Iterator[Descriptors]:
    """Read the descriptors of these sources from a part, in the part's order.

    Raises:
        store.errors.StoreError: the part is missing or damaged, or has another provenance.
    """
    wanted = set(sources)
    with EmbeddingStore(path) as store:
        store.expect(**provenance.__dict__)
        names = store.column("source")
        columns = [store.column(name) for name in ("start_seconds", "end_seconds", "has_video", "has_audio")]
        vectors = [store.vectors(name).astype(np.float32) for name in (VIDEO_NAME, AUDIO_NAME)]
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])).tolist()
    for first, last in itertools.pairwise([*starts, len(names)]):
        if names[first] in wanted:
            yield Descriptors(str(names[first]), *(each[first:last] for each in (*columns, *vectors)))
