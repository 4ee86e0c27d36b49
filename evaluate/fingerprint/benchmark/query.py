"""One query of a plan: a clip of a source, and the distortions that it goes through."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evaluate.fingerprint.benchmark.distort.catalogue import CATALOGUE, Distortion, Part, Streams
from evaluate.fingerprint.benchmark.truth import Piece, Span, spans_of

Role = Literal["matched", "unmatched", "background"]
_STREAMS: dict[Part, int] = {
    "cut": 0,
    "speed": 0,
    "tempo": 0,
    "video": 1,
    "waveform": 2,
    "audio": 3,
    "video-encoding": 4,
    "audio-encoding": 4,
}
"""Seeds of the random generator for each part of a query; other numbers would give other queries."""


@dataclass(frozen=True)
class Query:
    """One distorted clip; equal queries give equal bytes with the same ffmpeg.

    Attributes:
        name: unique in the plan.
        task: "none", "crop/medium", "pair/light" or "length/3s".
        wanted: the seconds of a source that the query shows.
        host: foreign seconds of a background video, for the distortions that need them.
        distortions: tasks of the catalogue, in order.
        seed: of all random choices while the query is rendered.
        streams: which streams it has.
        role: "matched" (its source is a reference), "unmatched", or "background" (for calibration).
    """

    name: str
    task: str
    wanted: Piece
    host: Piece
    distortions: tuple[str, ...]
    seed: int
    role: Role
    streams: Streams = "both"

    def distortions_of(self, *parts: Part) -> Iterator[tuple[Distortion, np.random.Generator]]:
        """Give the distortions that change these parts, in order, each with its own random generator."""
        for number, task in enumerate(self.distortions):
            distortion = CATALOGUE[task]
            if distortion.part in parts:
                yield distortion, np.random.default_rng([self.seed, number, _STREAMS[distortion.part]])

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces that the query is made of, in order; at most one distortion cuts."""
        cuts = self.distortions_of("cut")
        return next((cut.apply(self.wanted, self.host, random) for cut, random in cuts), (self.wanted,))

    @property
    def rate(self) -> float:
        """Playing speed, 1.0 if unchanged; at most one distortion changes it."""
        return next((change.apply(random) for change, random in self.distortions_of("speed", "tempo")), 1.0)

    @property
    def truth(self) -> tuple[Span, ...]:
        """Which seconds of the query show which seconds of its source."""
        return spans_of(self.pieces, self.rate)
