"""Which sources of a group to keep, and why: a proposal. Nothing is moved or removed here."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evaluate.archive.pairs import Duplicates, Pair
from evaluate.errors import EvaluateError
from evaluate.fingerprint.index.archive import IndexedSource
from preprocess.errors import PreprocessError
from preprocess.media.media_info import USUAL_LIMITS, Limits
from preprocess.media.probe import open_source, probe_file

COPY_SHARE = 0.9
"""Share of a source that a kept one must hold, so that it is proposed to go."""
SAME_LENGTH_SECONDS, SAME_LENGTH_SHARE = 1.0, 0.01
"""Copies that are shorter than the longest by less count as equally long: encoders add or drop some frames."""


@dataclass(frozen=True)
class MediaFacts:
    """What a file's container says of it; sizes are 0 and codecs "" without video or audio."""

    container: str
    video_codec: str
    audio_codec: str
    width_px: int
    height_px: int
    fps: float
    audio_channels: int
    duration_seconds: float
    bit_rate_bps: float
    size_bytes: int
    modified: str

    @property
    def bit_rate_kbps(self) -> float:
        """The rate as it is told, in kbit/s."""
        return self.bit_rate_bps / 1000


@dataclass(frozen=True)
class Decision:
    """What is proposed for a source, and why, in words.

    `copy_of` is the kept source that holds it; "" if it is kept itself. A file without facts cannot be read, or is not what was
    indexed, and is kept.
    """

    group: int
    name: str
    path: str
    keeps: bool
    copy_of: str
    reason: str
    facts: MediaFacts | None


ORDERS: dict[str, tuple[str, Callable[[MediaFacts], float]]] = {
    "duration": ("{0.duration_seconds:.1f} s", lambda facts: facts.duration_seconds),
    "resolution": ("{0.width_px}x{0.height_px}", lambda facts: facts.width_px * facts.height_px),
    "bit_rate": ("{0.bit_rate_kbps:.0f} kbit/s", lambda facts: facts.bit_rate_bps),
    "frame_rate": ("{0.fps:.2f} frames/s", lambda facts: facts.fps),
    "channels": ("{0.audio_channels} audio channels", lambda facts: facts.audio_channels),
    "size": ("{0.size_bytes} bytes", lambda facts: facts.size_bytes),
    "oldest": ("of {0.modified}", lambda facts: -datetime.fromisoformat(facts.modified).timestamp()),
}
"""Name -> how it is told, and its value; more is better."""
DEFAULT_ORDER = ("duration", "resolution", "bit_rate")


def time_of(seconds: float) -> datetime:
    """Return a file's time of change in UTC, or the nearest that a calendar of four digits has."""
    first, last = (each.replace(tzinfo=UTC).timestamp() for each in (datetime.min, datetime.max.replace(microsecond=0)))
    return datetime.fromtimestamp(min(max(seconds, first), last), UTC)


def media_facts(source: IndexedSource, limits: Limits = USUAL_LIMITS) -> MediaFacts | None:
    """Probe a file; None if it cannot be read."""
    path = Path(source.path)
    try:
        with open_source(path, limits) as file:
            info, status = probe_file(file, path, limits), os.fstat(file.fileno())
    except PreprocessError:
        return None
    seconds = info.duration_seconds or source.seconds
    return MediaFacts(
        info.format_name, info.video_codec, info.audio_codec, info.width_px, info.height_px, info.fps, info.audio_channels,
        seconds, 8 * status.st_size / max(seconds, 1e-3), status.st_size,
        time_of(status.st_mtime).isoformat(timespec="seconds"),
    )  # fmt: skip


def check_order(order: Sequence[str]) -> None:
    """Raise EvaluateError, before the work is done, if a name is not in ORDERS."""
    unknown = [name for name in order if name not in ORDERS]
    if unknown or not order:
        raise EvaluateError(f"no order by {', '.join(unknown) or 'nothing'}: choose from {', '.join(ORDERS)}")


def propose_kept(
    found: Duplicates, order: Sequence[str] = DEFAULT_ORDER,
    facts_of: Callable[[IndexedSource], MediaFacts | None] = media_facts,
) -> tuple[Decision, ...]:  # fmt: skip
    """Propose for each source of each group whether to keep it: the best, and what no kept one holds.

    Of `order`, names in ORDERS, the first that differs decides; EvaluateError if it has an unknown one. `facts_of` probes a
    file; None for one that cannot be read. A file that is not what was indexed is not probed: it may be no copy any more.
    """
    check_order(order)
    pairs = {(pair.one, pair.other): pair for pair in found.pairs}
    decisions = list[Decision]()
    for number, names in enumerate(found.groups, 1):
        sources = [found.sources[name] for name in names]
        facts = {each.name: facts_of(each) if each.is_still(Path(each.path)) else None for each in sources}
        kept = list[str]()
        for name in _ranked(facts, order, found.kept):
            told, reason, copy_of = facts[name], "", ""
            if told is None:
                reason = "cannot be read, or was changed since it was indexed"
            elif name in found.kept:
                reason = "kept by verdict"
            elif not kept:
                values = [ORDERS[each][0].format(told) for each in order]
                reason = f"best of {len(names)}: {', '.join(values)}"
            else:
                copy_of, reason = _copied(name, kept, pairs, found.has[name])
            if not copy_of and told is not None:  # what has gone or was replaced is no reason to move another file
                kept.append(name)
            decisions.append(Decision(number, name, found.sources[name].path, not copy_of, copy_of, reason, told))
    return tuple(decisions)


def _ranked(facts: Mapping[str, MediaFacts | None], order: Sequence[str], kept: frozenset[str]) -> list[str]:
    """Sort names: those with a verdict, then the best; unreadable ones last."""
    longest = max((each.duration_seconds for each in facts.values() if each), default=0.0)
    enough = longest - max(SAME_LENGTH_SECONDS, SAME_LENGTH_SHARE * longest)

    def rank(name: str) -> tuple[object, ...]:
        told = facts[name]
        if told is None:
            return name not in kept, True
        values = [min(ORDERS[each][1](told), enough if each == "duration" else math.inf) for each in order]
        return name not in kept, False, *(-value for value in values), name

    return sorted(facts, key=rank)


def _copied(
    name: str, kept: Sequence[str], pairs: Mapping[tuple[str, str], Pair], has: frozenset[str]
) -> tuple[str, str]:
    """Return the kept source that holds another one, or "", and the reason."""
    best, reason = -1.0, "no kept source shares anything with it"
    for other in kept:
        if (pair := pairs.get((min(name, other), max(name, other)))) is None:
            continue
        share = pair.one_share if pair.one == name else pair.other_share
        if pair.verdict == "same":
            return other, "same by verdict"
        held = f"{100 * share:.0f} % of it is in"
        doubtful = [each for each in sorted(has) if getattr(pair, each) != "agrees"]
        is_mirrored = any(span.view.is_mirrored for span in pair.spans)
        if share >= COPY_SHARE and not doubtful and not is_mirrored:
            return other, f"{held} the kept source, {' and '.join(sorted(has))} agree"
        if share > best:
            doubts = [*(f"whose {each} may differ" for each in doubtful), *(["mirrored"] if is_mirrored else [])]
            best, reason = share, ", ".join([f"{held} {other}", *doubts])
    return "", reason
