"""One page with all answers that needs no network: each match as two strips, aligned on a time line."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluate.fingerprint.match.matches import Answer, Match
from preprocess.errors import MediaError
from preprocess.media.media_info import Limits
from preprocess.media.probe import ALLOWED_FORMATS, open_source, refuse_to_open
from store.atomic_files import replacing

TEMPLATES = Path(__file__).parent / "templates"
STILLS = 8
"""Stills per strip; each still of the query is above its aligned moment of the reference."""
STILL_HEIGHT_PX, STILL_WIDTH_PX = 56, 100
JPEG_QUALITY = 60
MOST_STRIPS = 200
"""Matches that are shown with frames: about 30 KB each."""


@dataclass(frozen=True)
class Side:
    """The query or the reference of a match: its span, the length of its file, and its strip as data URIs."""

    name: str
    start_seconds: float
    end_seconds: float
    file_seconds: float
    stills: list[str]


def write_page(
    path: Path, answers: Sequence[Answer], queries: Mapping[str, Path], references: Mapping[str, tuple[Path, float]],
    threshold: float,
) -> None:  # fmt: skip
    """Write the page.

    Args:
        path: HTML file to write.
        answers: the results of the queries.
        queries: path of each query.
        references: path of each reference, and its seconds; a missing file is shown without frames.
        threshold: least score of a decided match.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    shown: list[tuple[Answer, list[tuple[Match, Side, Side]]]] = []
    n_strips = 0
    for answer in answers:
        rows = []
        for match in answer.decided:
            n_strips += 1
            n_stills = STILLS if n_strips <= MOST_STRIPS else 0
            reference, seconds = references.get(match.reference, (Path(), match.reference_end_seconds))
            start, end = match.query_start_seconds, match.query_end_seconds
            query_side = _side("query", queries[match.query], start, end, answer.seconds, n_stills)
            start, end = match.reference_start_seconds, match.reference_end_seconds
            rows.append((match, query_side, _side("reference", reference, start, end, seconds, n_stills)))
        shown.append((answer, rows))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("matches.html").render(shown=shown, threshold=threshold)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _side(name: str, path: Path, start: float, end: float, file_seconds: float, n_stills: int) -> Side:
    at = (np.arange(n_stills) + 0.5) / max(n_stills, 1)
    return Side(name, start, end, file_seconds, still_uris(path, (start + at * (end - start)).tolist()))


def still_uris(path: Path, seconds: Sequence[float]) -> list[str]:
    """Encode the frames at these seconds as JPEG data URIs; "" if there is no frame, or the file is gone."""
    import av

    options = {"format_whitelist": ALLOWED_FORMATS, "protocol_whitelist": "file"}
    try:
        with (
            open_source(path, Limits()) as file,
            av.open(file, options=options, io_open=refuse_to_open, metadata_errors="replace") as container,
        ):
            return [_still_uri(container, second) for second in seconds]
    except (MediaError, av.error.FFmpegError, OSError, ValueError):
        return [""] * len(seconds)


def _still_uri(container: Any, second: float) -> str:
    """Encode the first frame at or after a second, else the last one before it."""
    import av

    if not container.streams.video:
        return ""
    stream = container.streams.video[0]
    start = float((stream.start_time or 0) * stream.time_base)
    container.seek(int(max(0.0, start + second) * av.time_base))
    frame = None
    for frame in container.decode(stream):
        if frame.time is None or frame.time >= start + second - 0.02:
            break
    if frame is None:
        return ""
    still, data = frame.to_image(), io.BytesIO()
    still.thumbnail((STILL_WIDTH_PX, STILL_HEIGHT_PX))
    still.convert("RGB").save(data, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
