"""Which seconds of a query show which seconds of a reference, through cuts and changes of speed."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Seconds [start_seconds, end_seconds) of a source, one after the other in a query.

    Attributes:
        source: name of the video; a piece of a host is no ground truth.
        start_seconds, end_seconds: in the source, half open.
        is_host: whether this is foreign material around the piece that is looked for.

    Raises:
        ValueError: the piece is empty.
    """

    source: str
    start_seconds: float
    end_seconds: float
    is_host: bool = False

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"piece of {self.source}: ends at {self.end_seconds} s, before it starts")

    @property
    def seconds(self) -> float:
        """Length at normal speed."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Span:
    """Seconds of a query that show seconds of a reference, all half open; speed is constant in between."""

    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float

    def reference_at(self, query_seconds: float) -> float:
        """Instant of the reference that an instant of the query shows; beyond the span, as if it went on."""
        rate = (self.reference_end_seconds - self.reference_start_seconds) / (
            self.query_end_seconds - self.query_start_seconds
        )
        return self.reference_start_seconds + rate * (query_seconds - self.query_start_seconds)


def spans_of(pieces: Sequence[Piece], rate: float) -> tuple[Span, ...]:
    """Ground truth of a query made of `pieces` and played `rate` times as fast."""
    spans, begin = [], 0.0
    for piece in pieces:
        end = begin + piece.seconds / rate
        if not piece.is_host:
            spans.append(Span(begin, end, piece.start_seconds, piece.end_seconds))
        begin = end
    return tuple(spans)


def nearest(spans: Sequence[Span], query_seconds: float) -> Span:
    """Find the span that holds an instant of the query, or lies nearest to it."""
    return min(
        spans, key=lambda s: max(s.query_start_seconds - query_seconds, query_seconds - s.query_end_seconds, 0.0)
    )
