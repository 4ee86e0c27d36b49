"""Which seconds of a query show which seconds of a reference, through cuts and changes of speed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Piece:
    """Seconds [start_seconds, end_seconds) of a source; a query is made of pieces, one after the other.

    Attributes:
        source: name of the video.
        start_seconds, end_seconds: in the source, half open.
        is_host: whether this is foreign material, not part of the ground truth.
    """

    source: str
    start_seconds: float
    end_seconds: float
    is_host: bool = False

    @property
    def seconds(self) -> float:
        """Length at normal speed."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True)
class Span:
    """Seconds of a query that show seconds of a reference, all half open; the speed within a span is constant."""

    query_start_seconds: float
    query_end_seconds: float
    reference_start_seconds: float
    reference_end_seconds: float

    def reference_at(self, query_seconds: float) -> float:
        """Map a second of the query to the reference; outside the span, as if the span continued."""
        length = self.query_end_seconds - self.query_start_seconds
        rate = (self.reference_end_seconds - self.reference_start_seconds) / length
        return self.reference_start_seconds + rate * (query_seconds - self.query_start_seconds)


def spans_of(pieces: Sequence[Piece], rate: float) -> tuple[Span, ...]:
    """Return the ground truth of a query that is made of `pieces` and played `rate` times as fast."""
    spans, begin = [], 0.0
    for piece in pieces:
        end = begin + piece.seconds / rate
        if not piece.is_host:
            spans.append(Span(begin, end, piece.start_seconds, piece.end_seconds))
        begin = end
    return tuple(spans)


def faster_or_slower(random: np.random.Generator, step: float) -> float:
    """Draw a speed, 1 + step or 1 - step."""
    return 1 + step if random.random() < 0.5 else 1 - step


def times(random: np.random.Generator, factor: float) -> float:
    """Draw a speed, `factor` or its inverse."""
    return factor if random.random() < 0.5 else 1 / factor


def cut_out(wanted: Piece, host: Piece, random: np.random.Generator, share: float) -> tuple[Piece, ...]:
    """Remove `share` of the query near its middle: two spans of the reference remain."""
    lost = share * wanted.seconds
    begin = wanted.start_seconds + float(random.uniform(0.35, 0.65)) * (wanted.seconds - lost)
    return Piece(wanted.source, wanted.start_seconds, begin), Piece(wanted.source, begin + lost, wanted.end_seconds)


def concatenate(wanted: Piece, host: Piece, random: np.random.Generator, share: float) -> tuple[Piece, ...]:
    """Put foreign material before and after: `share` of the whole, or all of a host that is shorter."""
    foreign = min(wanted.seconds * share / (1 - share), host.seconds)
    middle = host.start_seconds + foreign * float(random.uniform(0.3, 0.7))
    return (
        Piece(host.source, host.start_seconds, middle, is_host=True),
        wanted,
        Piece(host.source, middle, host.start_seconds + foreign, is_host=True),
    )
