"""Film strips and log-mels of a few segments as small images in data URIs."""

import base64
import io
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import simplejpeg
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from preprocess.errors import disk_errors
from preprocess.features.strip import decode_strip
from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, META_FIELDS, META_MEMBER
from preprocess.shards.manifest import read_segments
from preprocess.shards.shard_files import read_samples

AUDIO_RANGE_NEPER = np.log(10**4.5)
"""The image of a log-mel shows the 45 dB below its loudest bin; anything below is background."""
AUDIO_SIZE_PX = (128, 32)
AUDIO_PALETTE = LinearSegmentedColormap.from_list("log-mel", ["#182030", "#265496", "#68aae8", "#faf6e0"])
"""Background to loudest; the same in the light and the dark scheme."""


@dataclass(frozen=True)
class Quality:
    """Size of a film strip: frames a clip, frame height (a multiple of 16 px), JPEG quality."""

    frames: int
    height_px: int
    jpeg: int


QUALITIES = (Quality(32, 96, 80), Quality(32, 80, 65), Quality(24, 64, 60), Quality(16, 64, 50), Quality(12, 48, 45))
"""Tried in this order until all images together fit the page."""


@dataclass(frozen=True)
class Segment:
    """The first segment of a source: `frames` (T, H, W, 3) uint8 or None, `logmel` (n_mels, columns) or None."""

    source: str
    seconds: float
    frames: np.ndarray | None
    logmel: np.ndarray | None


@dataclass(frozen=True)
class Thumbnail:
    """Images of one segment as data URIs; `film` or `logmel` is empty if it lacks the modality."""

    film: str
    n_frames: int
    width_px: int
    height_px: int
    logmel: str
    seconds: float


def thumbnails(shards: Path, sources: Iterable[str], budget_bytes: int) -> dict[str, Thumbnail]:
    """Make images of the sources' first segments, in the best quality whose total fits the budget, or else the lowest.

    A source named twice counts twice. A source that the shards lack is left out.
    """
    used = list(sources)
    segments = read_first_segments(shards, set(used))
    made: dict[str, Thumbnail] = {}
    for quality in QUALITIES:
        made = {segment.source: shrink(segment, quality) for segment in segments}
        if sum(len(made[source].film + made[source].logmel) for source in used if source in made) <= budget_bytes:
            break
    return made


def read_first_segments(shards: Path, sources: Collection[str]) -> list[Segment]:
    """Read the first segment of each source from a shard folder; ShardError if one is damaged or gone. Each is opened once."""
    found: list[Segment] = []
    for shard, part in first_segments(shards, sources).groupby("shard", sort=True):
        path, wanted = shards / str(shard), {row["key"]: row for row in part.to_dict("records")}
        with disk_errors(path), path.open("rb") as file:
            for sample in read_samples(file, path):
                if row := wanted.get(sample.key):
                    members = {m.suffix: os.pread(file.fileno(), m.n_bytes, m.offset) for m in sample.members}
                    found.append(_segment(row["source"], row["end_seconds"] - row["start_seconds"], members))
    return found


def first_segments(shards: Path, sources: Collection[str]) -> pd.DataFrame:
    """Return the rows of `read_segments` of each source's first segment."""
    table = read_segments(shards)
    return table[table["source"].isin(list(sources))].sort_values("segment_id").drop_duplicates("source")


def _segment(source: str, seconds: float, members: dict[str, bytes]) -> Segment:
    meta = dict(zip(META_FIELDS, np.load(io.BytesIO(members[META_MEMBER])).tolist(), strict=True))
    frames = decode_strip(members[FRAMES_MEMBER], meta["n_frames"]) if FRAMES_MEMBER in members else None
    logmel = np.load(io.BytesIO(members[LOGMEL_MEMBER])) if meta["has_audio"] and LOGMEL_MEMBER in members else None
    return Segment(source, seconds, frames, logmel)


def shrink(segment: Segment, quality: Quality) -> Thumbnail:
    """Choose frames evenly, resize and stack them into one JPEG, and draw the log-mel as a small PNG."""
    film, n_frames, width, height = "", 0, 0, 0
    if segment.frames is not None:
        n_frames = min(quality.frames, len(segment.frames))
        chosen = segment.frames[np.arange(n_frames) * len(segment.frames) // n_frames]
        height = min(quality.height_px, chosen.shape[1])
        width = max(1, round(chosen.shape[2] * height / chosen.shape[1]))
        # Resize each frame alone, so that none bleeds into the next.
        resized = [Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS) for frame in chosen]
        stacked = np.concatenate([np.asarray(frame) for frame in resized])
        film = data_uri("image/jpeg", simplejpeg.encode_jpeg(stacked, quality.jpeg, colorsubsampling="420"))
    logmel = ""
    if segment.logmel is not None:
        file = io.BytesIO()
        logmel_image(segment.logmel).save(file, "PNG", optimize=True)
        logmel = data_uri("image/png", file.getvalue())
    return Thumbnail(film, n_frames, width, height, logmel, segment.seconds)


def logmel_image(logmel: np.ndarray) -> Image.Image:
    """Draw a log-mel (n_mels, columns) as a small image, low frequencies at the bottom."""
    values = logmel[::-1].astype(np.float64)
    level = np.clip((values - values.max()) / AUDIO_RANGE_NEPER + 1, 0, 1)
    grey = Image.fromarray((level * 255).astype(np.uint8)).resize(AUDIO_SIZE_PX, Image.Resampling.BOX)
    colour = AUDIO_PALETTE(np.asarray(grey), bytes=True)[..., :3]
    return Image.fromarray(colour).quantize(24, dither=Image.Dither.NONE)


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes of a media type, such as "image/png", as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
