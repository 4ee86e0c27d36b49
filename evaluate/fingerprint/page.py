"""The answers on one page that needs no network: each match as two strips, aligned on a time line."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluate.fingerprint.match.matches import Answer, Match
from preprocess.errors import MediaError
from preprocess.media.media_info import Limits
from preprocess.media.probe import ALLOWED_FORMATS, open_source
from store.atomic_files import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

TEMPLATES = Path(__file__).parent / "templates"
STILLS = 8
"""Stills per strip; each still of the query lies above the moment of the reference that it was aligned with."""
STILL_HEIGHT_PX, STILL_WIDTH_PX = 56, 100
JPEG_QUALITY = 60
MOST_STRIPS = 200
"""Matches that are shown with pictures: about 30 KB each."""


@dataclass(frozen=True)
class Shown:
    """A match on the page: shares of the whole files that the spans take, in per cent, and the strips."""

    match: Match
    query_left: float
    query_width: float
    reference_left: float
    reference_width: float
    reference_seconds: float
    speed: float
    query_stills: list[str]
    reference_stills: list[str]


def write_page(
    path: Path, answers: Sequence[Answer], queries: Mapping[str, Path], references: Mapping[str, tuple[Path, float]],
    threshold: float,
) -> None:  # fmt: skip
    """Write the page.

    Args:
        path: HTML file to write.
        answers: what was found.
        queries: where each query lies.
        references: where each reference lies, and its seconds; pictures of one that is gone are left out.
        threshold: score from which on a match was decided.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    shown: list[tuple[Answer, list[Shown]]] = []
    n_strips = 0
    for answer in answers:
        rows = []
        for match in answer.decided:
            n_strips += 1
            rows.append(_shown(answer, match, queries, references, with_stills=n_strips <= MOST_STRIPS))
        shown.append((answer, rows))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("matches.html").render(shown=shown, threshold=threshold)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _shown(
    answer: Answer, match: Match, queries: Mapping[str, Path], references: Mapping[str, tuple[Path, float]],
    *, with_stills: bool,
) -> Shown:  # fmt: skip
    reference, seconds = references.get(match.reference, (Path(), match.reference_end_seconds))
    query_length = match.query_end_seconds - match.query_start_seconds
    reference_length = match.reference_end_seconds - match.reference_start_seconds
    at = (np.arange(STILLS) + 0.5) / STILLS if with_stills else np.zeros(0)
    return Shown(
        match=match,
        query_left=100 * match.query_start_seconds / max(answer.seconds, 1e-9),
        query_width=100 * query_length / max(answer.seconds, 1e-9),
        reference_left=100 * match.reference_start_seconds / max(seconds, 1e-9),
        reference_width=100 * reference_length / max(seconds, 1e-9),
        reference_seconds=seconds,
        speed=reference_length / max(query_length, 1e-9),
        query_stills=still_uris(queries[match.query], (match.query_start_seconds + at * query_length).tolist()),
        reference_stills=still_uris(reference, (match.reference_start_seconds + at * reference_length).tolist()),
    )


def still_uris(path: Path, seconds: Sequence[float]) -> list[str]:
    """JPEG data URIs of the frames at these seconds, by seeking; "" where there is none, or the file is gone."""
    import av

    options = {"format_whitelist": ALLOWED_FORMATS, "protocol_whitelist": "file"}
    try:
        with (
            open_source(path, Limits()) as file,
            av.open(file, options=options, metadata_errors="replace") as container,
        ):
            return [_uri(_picture(container, second)) for second in seconds]
    except (MediaError, av.error.FFmpegError, OSError, ValueError):
        return [""] * len(seconds)


def _picture(container: Any, second: float) -> "Image | None":
    """The first picture at or after a second, else the last one before it."""
    import av

    if not container.streams.video:
        return None
    stream = container.streams.video[0]
    start = float((stream.start_time or 0) * stream.time_base)
    container.seek(int(max(0.0, start + second) * av.time_base))
    frame = None
    for frame in container.decode(stream):
        if frame.time is None or frame.time >= start + second - 0.02:
            break
    return None if frame is None else frame.to_image()


def _uri(picture: "Image | None") -> str:
    if picture is None:
        return ""
    picture.thumbnail((STILL_WIDTH_PX, STILL_HEIGHT_PX))
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
