"""One page with all answers that needs no network: each match as two strips, aligned on a time line."""

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluate.fingerprint.match.matches import Answer, Match
from preprocess.errors import MediaError
from preprocess.features.strip import encode_planes
from preprocess.schema import ShardParams
from preprocess.viewing.stills import stills
from store.atomic_files import replacing

logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"
STILLS = 8
"""Stills per strip; each still of the query is above its aligned moment of the reference."""
STILL = ShardParams(short_side_px=64)
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
    try:
        frames = stills(path, seconds, STILL) if seconds else []
    except (MediaError, OSError) as error:
        logger.info("no frames on the page: %s", error)
        return [""] * len(seconds)
    jpegs = [b"" if frame is None else encode_planes(frame[None], JPEG_QUALITY) for frame in frames]
    return ["data:image/jpeg;base64," + base64.b64encode(jpeg).decode() if jpeg else "" for jpeg in jpegs]
