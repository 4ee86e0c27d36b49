"""Film strips and log-mels of a few segments, read from the tars and shrunk to data URIs."""

import base64
import io
import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from preprocess.features.strip import decode_strip, encode_strip
from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, META_FIELDS, META_MEMBER
from preprocess.shards.manifest import read_segments

SOUND_RANGE_NEPER = np.log(10**4.5)
"""The picture of a sound shows 45 dB below its loudest bin; less is background."""
SOUND_PALETTE = np.array([[24, 32, 48], [38, 84, 150], [104, 170, 232], [250, 246, 224]], np.float64)
"""Background to loudest; the same in the light and the dark scheme, as pictures are."""


@dataclass(frozen=True)
class Quality:
    """How small a film becomes: frames a clip, frame height (a multiple of 16 px), JPEG quality."""

    frames: int
    height_px: int
    jpeg: int


QUALITIES = (Quality(32, 96, 80), Quality(32, 80, 65), Quality(24, 64, 60), Quality(16, 64, 50), Quality(12, 48, 45))
"""Tried in this order until all pictures together fit the page."""


@dataclass(frozen=True)
class Segment:
    """The first segment of a source: `frames` (T, H, W, 3) uint8 or None, `logmel` (n_mels, columns) or None."""

    source: str
    seconds: float
    frames: np.ndarray | None
    logmel: np.ndarray | None


@dataclass(frozen=True)
class Thumbnail:
    """Pictures of one segment as data URIs; an empty `film` or `sound` means that it has none."""

    film: str
    n_frames: int
    width_px: int
    height_px: int
    sound: str
    seconds: float

    @property
    def n_bytes(self) -> int:
        """Bytes that it takes in the page."""
        return len(self.film) + len(self.sound)


def thumbnails(shards: Path, sources: Iterable[str], budget_bytes: int) -> dict[str, Thumbnail]:
    """Pictures of the sources' first segments, in the best quality whose total, counted by use, fits the budget.

    A source that the shards do not hold is left out.
    """
    used = list(sources)
    segments = read(shards, set(used))
    made: dict[str, Thumbnail] = {}
    for quality in QUALITIES:
        made = {segment.source: shrink(segment, quality) for segment in segments}
        if sum(made[source].n_bytes for source in used if source in made) <= budget_bytes:
            break
    return made


def read(shards: Path, sources: Collection[str]) -> list[Segment]:
    """Read the first segment of each source from a shard folder; every tar is opened once."""
    table = read_segments(shards)
    rows = table[table["source"].isin(list(sources))].sort_values("segment_id").drop_duplicates("source")
    found: list[Segment] = []
    for shard, part in rows.groupby("shard", sort=True):
        members = _members(shards / str(shard), set(part["key"]))
        names, keys = part["source"].tolist(), part["key"].tolist()
        seconds = (part["end_seconds"] - part["start_seconds"]).tolist()
        found += [
            _segment(source, length, members[key])
            for source, key, length in zip(names, keys, seconds, strict=True)
            if key in members
        ]
    return found


def shrink(segment: Segment, quality: Quality) -> Thumbnail:
    """Evenly chosen frames, resized and stacked again into one JPEG, and a small picture of the log-mel."""
    film, n_frames, width, height = "", 0, 0, 0
    if segment.frames is not None and len(segment.frames):
        frames = _resize(pick_frames(segment.frames, quality.frames), quality.height_px)
        n_frames, height, width = frames.shape[:3]
        film = _data_uri("jpeg", encode_strip(frames, quality.jpeg))
    sound = "" if segment.logmel is None else _data_uri("png", _png(sound_picture(segment.logmel)))
    return Thumbnail(film, n_frames, width, height, sound, segment.seconds)


def pick_frames(frames: np.ndarray, n: int) -> np.ndarray:
    """At most `n` frames of (T, H, W, 3), evenly spaced over the whole."""
    count = min(n, len(frames))
    return frames[np.arange(count) * len(frames) // count]


def sound_picture(logmel: np.ndarray, width_px: int = 128, height_px: int = 32) -> Image.Image:
    """Log-mel (n_mels, columns) as a small picture, low tones at the bottom."""
    values = logmel[::-1].astype(np.float64)
    level = np.clip((values - values.max()) / SOUND_RANGE_NEPER + 1, 0, 1)
    grey = Image.fromarray((level * 255).astype(np.uint8)).resize((width_px, height_px), Image.Resampling.BOX)
    position = np.asarray(grey, np.float64) / 255
    stops = np.linspace(0, 1, len(SOUND_PALETTE))
    colour = np.stack([np.interp(position, stops, SOUND_PALETTE[:, channel]) for channel in range(3)], axis=-1)
    return Image.fromarray(colour.astype(np.uint8)).quantize(24, dither=Image.Dither.NONE)


def _members(path: Path, keys: Collection[str]) -> dict[str, dict[str, bytes]]:
    """{key: {member name: bytes}} of the wanted keys of one tar."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            key, _, member = entry.name.partition(".")
            content = tar.extractfile(entry) if key in keys else None
            if content is not None:
                found.setdefault(key, {})[member] = content.read()
    return found


def _segment(source: str, seconds: float, members: dict[str, bytes]) -> Segment:
    meta = dict(zip(META_FIELDS, np.load(io.BytesIO(members[META_MEMBER])).tolist(), strict=True))
    frames = decode_strip(members[FRAMES_MEMBER], meta["n_frames"]) if FRAMES_MEMBER in members else None
    logmel = np.load(io.BytesIO(members[LOGMEL_MEMBER])) if meta["has_audio"] and LOGMEL_MEMBER in members else None
    return Segment(source, seconds, frames, logmel)


def _resize(frames: np.ndarray, height_px: int) -> np.ndarray:
    """(T, H, W, 3) to at most `height_px` high; each frame alone, so that none bleeds into the next."""
    height, width = frames.shape[1:3]
    if height <= height_px:
        return frames
    size = (max(1, round(width * height_px / height)), height_px)
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)) for frame in frames])


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
