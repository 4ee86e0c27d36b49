"""The plan of a benchmark: which videos are references, which queries are cut from them, and how these are distorted.

Videos of one group show one scene (UCF101's gXX, one YouTube id). Another video of the group of a query's source may
show the very same seconds. A method that finds it is right and would be counted wrong. So groups never cross roles:

- a group with matched queries has one video in the references, the source of the queries; its other videos are left out
- a group with unmatched queries has no video in the references
- background groups, for score normalisation and calibration, have neither queries nor references
- all other groups are distractors with all their videos: no query can rightly match any of them
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort.catalogue import CATALOGUE, STRENGTHS, Streams, draw_medium, draw_pair
from evaluate.fingerprint.benchmark.query import Query, Role
from evaluate.fingerprint.benchmark.truth import Piece
from preprocess.catalogues.folder import open_folder
from preprocess.errors import MediaError
from preprocess.media.probe import probe
from store.atomic_files import write_text

logger = logging.getLogger(__name__)

PLAN_NAME = "plan.json"
PLAN_FORMAT: Literal[1] = 1
LENGTHS_SECONDS = (1.0, 2.0, 3.0, 5.0, 6.0, 10.0)
DISTRACTORS_A_QUERY = 10
CLEAN = "none"
MARGIN_SECONDS = 0.1
"""Left out at the end of a source: its container may state a little more than it holds."""
_SCENES = (
    re.compile(r"v_(?P<scene>.+_g\d+)_c\d+"),
    re.compile(r"(?P<scene>.{11})_\d+(_\d+)?"),
    re.compile(r"\d-(?P<scene>\d+)-[A-Z]-\d+"),
)
"""Names of UCF101's clips, of excerpts of a YouTube video, and of ESC-50's excerpts of a recording."""


@dataclass(frozen=True)
class Video:
    """A video that may take part: its name relative to the folder, its length, and whether it has audio."""

    name: str
    seconds: float
    has_audio: bool

    @property
    def group(self) -> str:
        """The scene according to the name."""
        return scene(self.name)

    def fits(self, seconds: float) -> bool:
        """Whether a query of this length can be cut from it."""
        return self.has_audio and self.seconds >= seconds + MARGIN_SECONDS


def scene(name: str) -> str:
    """Return the scene that a file shows by its name: UCF101's class and group, an id, else the file itself."""
    stem = Path(name).stem
    return next((found["scene"] for pattern in _SCENES if (found := pattern.fullmatch(stem))), name)


@dataclass(frozen=True)
class Size:
    """How large a plan is.

    Attributes:
        n_queries, n_unmatched: matched and unmatched queries per task.
        n_background: groups for normalisation and calibration.
        length_seconds: length of the queries with single distortions and pairs.
        tasks: distortions such as "crop/medium"; the whole catalogue by default.
        n_distractors: largest number of distractor videos, drawn; None for all.
        streams: which streams queries have.
        lengths_seconds: lengths of the queries of "length/..."; sources that are too short are left out.

    Raises:
        FingerprintError: a number is too small.
    """

    n_queries: int = 20
    n_unmatched: int = 10
    n_background: int = 10
    length_seconds: float = 5.0
    tasks: tuple[str, ...] = tuple(CATALOGUE)
    n_distractors: int | None = None
    lengths_seconds: tuple[float, ...] = LENGTHS_SECONDS
    streams: Streams = "both"

    def __post_init__(self) -> None:
        if min(self.n_queries, self.n_unmatched) < 1 or self.n_background < 2:
            raise FingerprintError("a plan needs queries, unmatched queries, and two background groups or more")


@dataclass(frozen=True)
class Plan:
    """Everything that a benchmark needs except the videos; equal plans give equal queries.

    Attributes:
        format: version of the file format.
        data: folder of the videos.
        size, seed: with the videos they determine the plan.
        references: names of the indexed videos, distractors among them.
        background: names of videos whose groups have no queries and no references.
        queries: of all roles.
        n_distractor_segments: number of spans of the queries' length in references that match no query.
        n_query_segments: number of sources of matched queries; every task has one query of each.
        reference_seconds: length of all references together.
    """

    format: Literal[1]
    data: str
    size: Size
    seed: int
    references: tuple[str, ...]
    background: tuple[str, ...]
    queries: tuple[Query, ...]
    n_distractor_segments: int
    n_query_segments: int
    reference_seconds: float

    def of_role(self, *roles: Role) -> list[Query]:
        """Return the queries of some roles."""
        return [query for query in self.queries if query.role in roles]


PLANS = TypeAdapter(Plan)
"""Reads and writes plans as JSON."""


def prepare(folder: Path, out: Path, size: Size, seed: int) -> Plan:
    """Read the plan in `out` if it was made for the same folder, size and seed; else make and write one.

    Raises:
        FingerprintError: there are too few videos, or the file in `out` is not a plan.
        CatalogueError: there are no videos.
    """
    path, data = out / PLAN_NAME, str(folder.resolve())
    if path.exists():
        try:
            plan = PLANS.validate_json(path.read_bytes())
        except ValueError as error:
            raise FingerprintError(f"{path}: no plan of format {PLAN_FORMAT}; remove it") from error
        if (plan.data, plan.size, plan.seed) == (data, size, seed):
            return plan
    plan = make_plan(find_videos(folder), size, seed, data)
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, PLANS.dump_json(plan, indent=1).decode() + "\n")
    return plan


def find_videos(folder: Path) -> list[Video]:
    """Find all videos below a folder, by name; unreadable ones are logged and left out.

    Raises:
        CatalogueError: there is no such folder, or it has no videos.
    """
    videos = []
    for source in open_folder(folder, None).sources:
        try:
            info = probe(source.path)
        except MediaError as error:
            logger.warning("left out: %s", error)
            continue
        if info.has_video and info.duration_seconds:
            videos.append(Video(source.name, info.duration_seconds, info.has_audio))
    return videos


def make_plan(videos: Sequence[Video], size: Size, seed: int, data: str) -> Plan:
    """Choose roles and draw queries.

    Raises:
        FingerprintError: too few groups have a video with audio that is long enough.
    """
    random = np.random.default_rng(seed)
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in sorted(videos, key=lambda video: video.name):
        groups[video.group].append(video)
    usable = [group for group, members in groups.items() if any(v.fits(size.length_seconds) for v in members)]
    needed = size.n_queries + size.n_unmatched + size.n_background
    if len(usable) <= needed:
        raise FingerprintError(
            f"{len(usable)} groups have a video with audio of {size.length_seconds:g} s or more, a plan of this size "
            f"needs more than {needed}: take fewer queries, or shorter ones"
        )
    drawn = [usable[i] for i in random.permutation(len(usable))[:needed]]
    chosen = [max(groups[group], key=lambda v: (v.fits(size.length_seconds), v.seconds, v.name)) for group in drawn]
    sources, rest = chosen[: size.n_queries], chosen[size.n_queries :]
    unmatched, background = rest[: size.n_unmatched], rest[size.n_unmatched :]
    distractors = [video for group, members in groups.items() if group not in drawn for video in members]
    distractors = [distractors[i] for i in random.permutation(len(distractors))[: size.n_distractors]]
    plan = Plan(
        format=PLAN_FORMAT,
        data=data,
        size=size,
        seed=seed,
        references=tuple(sorted(video.name for video in [*sources, *distractors])),
        background=tuple(sorted(video.name for video in background)),
        queries=_draw_queries(sources, unmatched, background, size, random),
        n_distractor_segments=sum(int(video.seconds / size.length_seconds) for video in distractors),
        n_query_segments=len(sources),
        reference_seconds=sum(video.seconds for video in [*sources, *distractors]),
    )
    if plan.n_distractor_segments < DISTRACTORS_A_QUERY * plan.n_query_segments:
        logger.warning(
            "%d distractor segments for %d queries a task: trust the numbers with %d times as many or more",
            plan.n_distractor_segments, plan.n_query_segments, DISTRACTORS_A_QUERY,
        )  # fmt: skip
    return plan


def _draw_queries(
    sources: Sequence[Video], unmatched: Sequence[Video], background: Sequence[Video], size: Size,
    random: np.random.Generator,
) -> tuple[Query, ...]:  # fmt: skip
    """Draw for every task a query of each source, of each unmatched video, and of one background video in turn."""
    plain = size.length_seconds
    tasks: list[tuple[str, float, Callable[[np.random.Generator], tuple[str, ...]]]] = [
        (CLEAN, plain, lambda _: ()),
        *((task, plain, lambda _, task=task: (task,)) for task in size.tasks),
        *((f"pair/{strength}", plain, partial(draw_pair, strength, size.streams)) for strength in STRENGTHS),
        *((f"length/{seconds:g}s", seconds, partial(draw_medium, size.streams)) for seconds in size.lengths_seconds),
    ]
    queries: list[Query] = []
    for number, (task, seconds, draw_distortions) in enumerate(tasks):
        cast: list[tuple[Role, Video]] = [("matched", video) for video in sources]
        cast += [("unmatched", video) for video in unmatched]
        cast.append(("background", background[number % len(background)]))
        for role, video in cast:
            if not video.fits(seconds):
                continue
            start = round(float(random.uniform(0, video.seconds - MARGIN_SECONDS - seconds)), 3)
            others = [other for other in background if other is not video]
            host = others[random.integers(len(others))]
            query = Query(
                name=f"{task.replace('/', '-')}-{len(queries):05d}",
                task=task,
                wanted=Piece(video.name, start, round(start + seconds, 3)),
                host=Piece(host.name, 0.0, host.seconds, is_host=True),
                distortions=draw_distortions(random),
                seed=int(random.integers(2**31)),
                role=role,
                streams=size.streams,
            )
            queries.append(query)
    return tuple(queries)
