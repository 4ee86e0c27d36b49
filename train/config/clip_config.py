"""What a clip is, and where the two views of a segment lie."""

import math
from typing import Literal

from pydantic import NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from train.config.strict import STRICT


@dataclass(frozen=True, config=STRICT)
class ClipConfig:
    """A clip: what an encoder sees at once."""

    n_frames: PositiveInt = 16
    crop_px: PositiveInt = 112
    speeds: tuple[int, ...] = (1, 2, 4, 8)
    """Playback speeds; a clip at speed s takes every (s * base_stride)-th frame and every s-th log-mel column."""
    base_stride: PositiveInt = 1
    """Frames from one clip frame to the next at speed 1."""
    views: Literal["anywhere", "same_moment"] = "anywhere"
    """Where the two views of a segment lie: each anywhere, at a speed of its own, or both at one moment, forwards, at
    paces near 1. At one moment nothing is asked about time: for fingerprints."""
    jitter_frames: NonNegativeFloat = 2.0
    """At one moment: how far a view may start from it, before or behind."""
    pace_max: float = 1.19
    """At one moment: a view plays between 1 / pace_max and pace_max times as fast, log-uniform."""
    shared_direction: bool = True
    """Both views of a segment run forwards, or both backwards. Drawn apart, a contrastive term between the views asks for
    features that cannot tell an event from its reversal."""
    reverse_probability: float = 0.5
    balanced_order: bool = True
    """Place the two views so that each of the three orders is as likely as the others. Where no order is asked they may
    be drawn apart from each other, anywhere in the segment (false)."""
    eval_speed: PositiveInt = 2

    def __post_init__(self) -> None:
        if list(self.speeds) != sorted(set(self.speeds)) or min(self.speeds, default=0) < 1:
            raise ValueError("clip.speeds must be rising whole numbers from 1 up")
        if self.pace_max < 1:
            raise ValueError("clip.pace_max must be at least 1")

    @property
    def clock_frames(self) -> int:
        """Frames from the first to the last of a clip at speed 1, inclusive."""
        return (self.n_frames - 1) * self.base_stride + 1

    @property
    def shortest_window_frames(self) -> int:
        """Frames that hold one clip: at the lowest speed, or of one moment at any pace."""
        if self.views == "anywhere":
            return self.clock_frames
        return math.ceil((self.clock_frames - 1) * self.pace_max) + 1
