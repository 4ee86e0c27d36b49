"""Playing speed and cuts: what moves the seconds of a query against those of its reference."""

from typing import Any

import numpy as np

from evaluate.fingerprint.benchmark.distort.distortion import Cut, Rate
from evaluate.fingerprint.benchmark.truth import Piece


def faster_or_slower(step: float) -> Rate:
    """Speed 1 + step or 1 - step: 0.84 to 1.16 at step 0.16."""
    return lambda random: 1 + step if random.random() < 0.5 else 1 - step


def tempo(stream: Any, rate: float) -> Any:
    """Sound `rate` times as fast at the same pitch."""
    return stream.filter("atempo", f"{rate:.9f}")


def speed(stream: Any, rate: float, rate_hz: int) -> Any:
    """Sound `rate` times as fast, the pitch with it, as a tape is."""
    return stream.filter("asetrate", round(rate_hz * rate)).filter("aresample", rate_hz)


def cut_out(share: float) -> Cut:
    """Lose `share` of the query from its middle third on: two spans of the reference remain."""

    def apply(wanted: Piece, host: Piece, random: np.random.Generator) -> tuple[Piece, ...]:
        lost = share * wanted.seconds
        begin = wanted.start_seconds + float(random.uniform(0.35, 0.65)) * (wanted.seconds - lost)
        return (
            Piece(wanted.source, wanted.start_seconds, begin),
            Piece(wanted.source, begin + lost, wanted.end_seconds),
        )

    return apply


def concatenate(share: float) -> Cut:
    """Foreign material before and after, `share` of the whole as far as the host is long enough."""

    def apply(wanted: Piece, host: Piece, random: np.random.Generator) -> tuple[Piece, ...]:
        foreign = min(wanted.seconds * share / (1 - share), host.seconds)
        middle = host.start_seconds + foreign * float(random.uniform(0.3, 0.7))
        return (
            Piece(host.source, host.start_seconds, middle, is_host=True),
            wanted,
            Piece(host.source, middle, host.start_seconds + foreign, is_host=True),
        )

    return apply
