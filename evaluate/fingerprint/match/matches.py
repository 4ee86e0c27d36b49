"""A match of a query in a reference, and the answer to one query."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from evaluate.fingerprint.describe.view import PLAIN, WHOLE, View
from evaluate.fingerprint.match.spans import Span, score_of

NOTED_SPEED = 0.1
"""Least change of speed that is told: half a second at the ends of a span of five is as much."""


@dataclass(frozen=True)
class Match:
    """A span of a query that was found in a reference.

    Spans are half open, in seconds from the start of each file. Their lengths differ if the query has another speed.

    Attributes:
        query: name of the query.
        reference: name of the reference in the index.
        query_start_seconds, query_end_seconds: the span of the query.
        reference_start_seconds, reference_end_seconds: the span of the reference.
        score: minus the decimal logarithm of the number of spans like this one that chance gives in the whole index.
        decision: whether the score passes the threshold of the stated false-positive rate.
        video_score, audio_score: the score by one modality alone; None if query or reference lacks it there.
        view: the edits that were undone to find it; the speed is a rough one.

    Raises:
        ValueError: a span ends before it starts, or a number is not finite.
    """

    query: str
    reference: str
    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float
    score: float
    decision: bool
    video_score: float | None = None
    audio_score: float | None = None
    view: View = PLAIN

    @property
    def query_seconds(self) -> float:
        """Length of the span in the query."""
        return self.query_end_seconds - self.query_start_seconds

    @property
    def reference_seconds(self) -> float:
        """Length of the span in the reference."""
        return self.reference_end_seconds - self.reference_start_seconds

    @property
    def speed(self) -> float:
        """How many times as fast as the reference the query plays."""
        return self.reference_seconds / self.query_seconds if self.query_seconds > 0 else self.view.speed

    def reference_at(self, query_second: float) -> float:
        """Second of the reference that the span's line takes a second of the query to."""
        return self.reference_start_seconds + self.speed * (query_second - self.query_start_seconds)

    def cut(self, start: float = 0.0, end: float = math.inf) -> "Match":
        """Keep what lies between two seconds of the query, on the same line."""
        first = max(self.query_start_seconds, start)
        last = max(first, min(self.query_end_seconds, end))
        return replace(
            self, query_start_seconds=first, query_end_seconds=last, reference_start_seconds=self.reference_at(first),
            reference_end_seconds=self.reference_at(last),
        )  # fmt: skip

    @property
    def matched_by(self) -> Literal["video", "audio", "both"]:
        """The modalities that alone make the match likelier than chance in the whole index; both if neither does."""
        video, audio = ((each or 0) > 0 for each in (self.video_score, self.audio_score))
        return "both" if video == audio else "video" if video else "audio"

    @property
    def edits(self) -> str:
        """What was done to the query, in words; "" if nothing was found."""
        view, parts = self.view, []
        if view.region != WHOLE:
            sides = (view.region.left, view.region.right, view.region.top, view.region.bottom)
            parts.append("shown in {:.0%} to {:.0%} of the width, {:.0%} to {:.0%} of the height".format(*sides))
        if view.is_mirrored:
            parts.append("mirrored")
        if view.turned_degrees:
            parts.append(f"turned by {view.turned_degrees} degrees")
        if abs(self.speed - 1) >= NOTED_SPEED:
            parts.append(f"at {self.speed:.2f} times the speed")
        return ", ".join(parts)

    def __post_init__(self) -> None:
        start, end = self.query_start_seconds, self.query_end_seconds
        reference_start, reference_end = self.reference_start_seconds, self.reference_end_seconds
        if not all(map(math.isfinite, (start, end, reference_start, reference_end, self.score))):
            raise ValueError(f"match of {self.query} in {self.reference}: numbers must be finite")
        if end < start or reference_end < reference_start:
            raise ValueError(f"match of {self.query} in {self.reference}: a span ends before it starts")


def judged(
    span: Span, query: str, reference: str, query_seconds: float, places: float, threshold: float, view: View = PLAIN
) -> Match:
    """Judge a span of two sources; what lies outside the query is cut off, on its line.

    Args:
        span: in the view's seconds.
        query, reference: their names.
        query_seconds: length of the query, in the view's seconds.
        places: where chance could give such a span.
        threshold: least score of a match.
        view: edits that were undone.
    """
    span = span.cut(max(0.0, span.query_start), min(span.query_end, query_seconds))
    alone = {name: score_of({name: pair}, places) for name, pair in span.pairs.items()}
    score = score_of(span.pairs, places)
    return Match(
        query, reference, span.query_start / view.speed, span.query_end / view.speed, span.reference_start,
        span.reference_end, score, score >= threshold, alone.get("video"), alone.get("audio"), view,
    )  # fmt: skip


def best_first(matches: Iterable[Match]) -> list[Match]:
    """Sort matches by falling score."""
    return sorted(matches, key=lambda each: (-each.score, each.reference, each.query_start_seconds))


@dataclass(frozen=True)
class Answer:
    """The matches of one query.

    Attributes:
        query: its name.
        seconds: its length as described.
        matches: best first, decided ones before candidates below the threshold; may be empty.
        unreadable: why the query could not be read; "" if it could.
        n_alike: number of sources that resemble a query without a match equally; 0 if they are few.
        is_decidable: whether an exact copy of the query would be decided; not if it is short, or too little changes in it.
    """

    query: str
    seconds: float
    matches: tuple[Match, ...]
    unreadable: str = ""
    n_alike: int = 0
    is_decidable: bool = True

    @property
    def decided(self) -> tuple[Match, ...]:
        """The matches at or above the threshold."""
        return tuple(match for match in self.matches if match.decision)

    @property
    def reason(self) -> str:
        """Why nothing was decided; "" if something was."""
        if self.decided:
            return ""
        if self.unreadable:
            return self.unreadable
        if self.n_alike:
            return f"no match: {self.n_alike} sources resemble it equally, as copies and common content do"
        return "no match" if self.is_decidable else "undecided: too short, or too little changes in it"
