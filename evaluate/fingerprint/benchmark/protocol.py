"""The plan of a benchmark: which videos are references, which queries are cut from them, and what is done to these.

Videos of one group show one scene (UCF101's gXX, one YouTube id). A sibling of a query's source may show the very same
seconds, so that a method that finds it is right and would be counted wrong. Groups therefore never cross roles:

- a group with queries gives one video, the queries' source, to the references; its siblings are left out
- a group with unmatched queries gives nothing to the references
- background groups, for score normalisation and calibration, are in neither
- all other groups are distractors with all of their videos: no query can rightly match any of them
"""

import json
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort.catalogue import CATALOGUE, draw_pair
from evaluate.fingerprint.benchmark.distort.distortion import STRENGTHS
from evaluate.fingerprint.benchmark.distort.render import Order
from evaluate.fingerprint.benchmark.truth import Piece
from store.atomic_files import replacing

logger = logging.getLogger(__name__)

PLAN_FORMAT = 1
LENGTHS_SECONDS = (1.0, 2.0, 3.0, 5.0, 6.0, 10.0)
DISTRACTORS_A_QUERY = 10
CLEAN = "none"
MARGIN_SECONDS = 0.1
"""Left at the end of a source: containers promise a little more than they hold."""
_UCF = re.compile(r"v_(.+)_(g\d+)_c\d+")
_YOUTUBE = re.compile(r"(.{11})_\d+(_\d+)?")


@dataclass(frozen=True)
class Video:
    """A source that may take part: name relative to the folder, and what its container says."""

    name: str
    seconds: float
    has_audio: bool

    @property
    def group(self) -> str:
        """The scene it shows, as far as names tell: UCF101's class and group, a YouTube id, else the video itself."""
        stem = Path(self.name).stem
        ucf, youtube = _UCF.fullmatch(stem), _YOUTUBE.fullmatch(stem)
        if ucf:
            return f"{ucf[1]}_{ucf[2]}"
        return youtube[1] if youtube else self.name


@dataclass(frozen=True)
class Query:
    """One distorted clip.

    Attributes:
        name: unique in the plan.
        task: "none", "crop/medium", "pair/light" or "length/3s".
        wanted: seconds of a source.
        host: foreign seconds for distortions that need some, of the background.
        distortions: tasks of the catalogue, in order.
        seed: of all that is drawn while rendering.
        role: "matched" (its source is a reference), "unmatched", or "background" (for calibration).
    """

    name: str
    task: str
    wanted: Piece
    host: Piece
    distortions: tuple[str, ...]
    seed: int
    role: str

    @property
    def order(self) -> Order:
        """What to render."""
        return Order(self.wanted, self.host, tuple(CATALOGUE[task] for task in self.distortions), self.seed)


@dataclass(frozen=True)
class Size:
    """How large a plan is.

    Attributes:
        n_queries: matched queries a task.
        n_unmatched: unmatched queries a task.
        n_background: groups kept for normalisation and calibration.
        length_seconds: of the queries under single distortions and pairs.
        tasks: distortions such as "crop/medium"; all of the catalogue by default.
        n_distractors: videos at most, drawn; all that there are by default.
        lengths_seconds: of the queries that vary in length, as far as the sources are long enough.
    """

    n_queries: int = 20
    n_unmatched: int = 10
    n_background: int = 10
    length_seconds: float = 5.0
    tasks: tuple[str, ...] = tuple(CATALOGUE)
    n_distractors: int | None = None
    lengths_seconds: tuple[float, ...] = LENGTHS_SECONDS

    def __post_init__(self) -> None:
        if min(self.n_queries, self.n_unmatched) < 1 or self.n_background < 2:
            raise FingerprintError("a plan needs queries, unmatched queries, and two background groups or more")
        unknown = [task for task in self.tasks if task not in CATALOGUE]
        if unknown:
            raise FingerprintError(f"no such distortion: {', '.join(unknown)}; they are named as in crop/medium")


@dataclass(frozen=True)
class Plan:
    """Everything that a benchmark needs besides the videos; equal plans give equal queries.

    Attributes:
        seed: all else follows from it, the videos and the size.
        references: names of the indexed videos, distractors among them.
        background: names of videos that are in no query's or reference's group.
        queries: of all roles.
        n_distractor_segments: spans of the queries' length in references that match no query.
        n_query_segments: sources that matched queries are cut from, one query each in every task.
        reference_seconds: of all references together.
    """

    seed: int
    references: tuple[str, ...]
    background: tuple[str, ...]
    queries: tuple[Query, ...]
    n_distractor_segments: int
    n_query_segments: int
    reference_seconds: float


def make_plan(videos: Sequence[Video], size: Size, seed: int) -> Plan:
    """Choose roles and draw queries.

    Raises:
        FingerprintError: too few groups, or none long enough, for what was asked.
    """
    random = np.random.default_rng(seed)
    groups: dict[str, list[Video]] = defaultdict(list)
    for video in sorted(videos, key=lambda video: video.name):
        groups[video.group].append(video)
    usable = [group for group, members in groups.items() if any(_fits(v, size.length_seconds) for v in members)]
    needed = size.n_queries + size.n_unmatched + size.n_background
    if len(usable) <= needed:
        raise FingerprintError(
            f"{len(usable)} groups have a video with sound of {size.length_seconds:g} s or more, a plan of this size "
            f"needs more than {needed}: ask for fewer queries, or shorter ones"
        )
    drawn = [usable[i] for i in random.permutation(len(usable))[:needed]]

    def longest(group: str) -> Video:
        return max(groups[group], key=lambda video: (_fits(video, size.length_seconds), video.seconds, video.name))

    sources = [longest(group) for group in drawn[: size.n_queries]]
    strangers = [longest(group) for group in drawn[size.n_queries : size.n_queries + size.n_unmatched]]
    background = [longest(group) for group in drawn[size.n_queries + size.n_unmatched :]]
    taken = set(drawn)
    distractors = [video for group, members in groups.items() if group not in taken for video in members]
    distractors = [distractors[i] for i in random.permutation(len(distractors))[: size.n_distractors]]
    plan = Plan(
        seed=seed,
        references=tuple(sorted(video.name for video in [*sources, *distractors])),
        background=tuple(sorted(video.name for video in background)),
        queries=_draw_queries(sources, strangers, background, size, random),
        n_distractor_segments=sum(int(video.seconds / size.length_seconds) for video in distractors),
        n_query_segments=len(sources),
        reference_seconds=sum(video.seconds for video in [*sources, *distractors]),
    )
    if plan.n_distractor_segments < DISTRACTORS_A_QUERY * plan.n_query_segments:
        logger.warning(
            "%d distractor segments for %d queries a task: at least %d times as many make a trusted number",
            plan.n_distractor_segments, plan.n_query_segments, DISTRACTORS_A_QUERY,
        )  # fmt: skip
    return plan


def _fits(video: Video, seconds: float) -> bool:
    return video.has_audio and video.seconds >= seconds + MARGIN_SECONDS


def _draw_queries(
    sources: Sequence[Video],
    strangers: Sequence[Video],
    background: Sequence[Video],
    size: Size,
    random: np.random.Generator,
) -> tuple[Query, ...]:
    """Draw for every task a query of each source and stranger; background queries go through the tasks in turn."""

    def single(task: str) -> Callable[[], tuple[str, ...]]:
        return lambda: (task,)

    def pair(strength: str) -> Callable[[], tuple[str, ...]]:
        return lambda: draw_pair(strength, random)

    def any_medium() -> tuple[str, ...]:
        return (str(random.choice([task for task in CATALOGUE if task.endswith("/medium")])),)

    plain = size.length_seconds
    tasks: list[tuple[str, float, Callable[[], tuple[str, ...]]]] = [(CLEAN, plain, tuple)]
    tasks += [(task, plain, single(task)) for task in size.tasks]
    tasks += [(f"pair/{strength}", plain, pair(strength)) for strength in STRENGTHS]
    tasks += [(f"length/{seconds:g}s", seconds, any_medium) for seconds in size.lengths_seconds]
    queries: list[Query] = []
    for number, (task, seconds, distort) in enumerate(tasks):
        people = [("matched", video) for video in sources] + [("unmatched", video) for video in strangers]
        people.append(("background", background[number % len(background)]))
        for role, video in people:
            if _fits(video, seconds):
                wanted = _draw_span(video, seconds, random)
                others = [other for other in background if other is not video]
                host = others[random.integers(len(others))]
                name = f"{task.replace('/', '-')}-{len(queries):05d}"
                # Hosts are background videos: nothing of them is a reference.
                queries.append(
                    Query(
                        name, task, wanted, Piece(host.name, 0.0, host.seconds, is_host=True), distort(),
                        int(random.integers(2**31)), role,
                    )
                )  # fmt: skip
    return tuple(queries)


def _draw_span(video: Video, seconds: float, random: np.random.Generator) -> Piece:
    start = round(float(random.uniform(0, video.seconds - MARGIN_SECONDS - seconds)), 3)
    return Piece(video.name, start, round(start + seconds, 3))


def write_plan(path: Path, plan: Plan, facts: Mapping[str, Any]) -> None:
    """Write a plan as JSON, whole or not at all."""
    text = json.dumps({"format": PLAN_FORMAT, **facts, **asdict(plan)}, indent=1, ensure_ascii=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_plan(path: Path) -> Plan:
    """Read a plan back.

    Raises:
        FingerprintError: it is no plan of this format.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != PLAN_FORMAT:
            raise FingerprintError(f"{path}: a plan of format {record['format']}, not {PLAN_FORMAT}; remove it")
        queries = [
            Query(**{**q, "wanted": Piece(**q["wanted"]), "host": Piece(**q["host"]),
                     "distortions": tuple(q["distortions"])})
            for q in record["queries"]
        ]  # fmt: skip
        return Plan(
            record["seed"], tuple(record["references"]), tuple(record["background"]), tuple(queries),
            record["n_distractor_segments"], record["n_query_segments"], record["reference_seconds"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise FingerprintError(f"{path}: is no plan ({error}); remove it and plan anew") from error
