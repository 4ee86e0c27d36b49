"""A match of a query in a reference, and the answer to one query."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """A span of a query that was found in a reference.

    Spans are half open, in seconds from the start of each file. A reference played backwards or at another speed has a
    span of its own length; nothing says that the two are equally long.

    Attributes:
        query: name of the query.
        reference: name of the reference in the index.
        query_start_seconds, query_end_seconds: the span of the query.
        reference_start_seconds, reference_end_seconds: the span of the reference.
        score: the higher, the surer; comparable over all queries.
        decision: whether the score passes the threshold of the stated false-positive rate.

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

    def __post_init__(self) -> None:
        spans = (
            (self.query_start_seconds, self.query_end_seconds),
            (self.reference_start_seconds, self.reference_end_seconds),
        )
        if not all(math.isfinite(value) for value in (*spans[0], *spans[1], self.score)):
            raise ValueError(f"match of {self.query} in {self.reference}: numbers must be finite")
        if any(end < start for start, end in spans):
            raise ValueError(f"match of {self.query} in {self.reference}: a span ends before it starts")


@dataclass(frozen=True)
class Answer:
    """The matches of one query.

    Attributes:
        query: its name.
        seconds: its length as described.
        matches: best first, decided ones before candidates that missed the threshold; empty where nothing was near.
        unreadable: why the query could not be read, "" where it could.
    """

    query: str
    seconds: float
    matches: tuple[Match, ...]
    unreadable: str = ""

    @property
    def decided(self) -> tuple[Match, ...]:
        """The matches at or above the threshold."""
        return tuple(match for match in self.matches if match.decision)
