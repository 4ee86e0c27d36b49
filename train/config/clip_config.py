"""Settings of a clip, and of where the two views of a segment lie."""

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from train.config import STRICT, Probability


@dataclass(frozen=True, config=STRICT)
class ClipConfig:
    """A clip: the frames and log-mel columns that an encoder takes at once."""

    n_frames: Annotated[int, Field(ge=2)] = 16
    crop_px: PositiveInt = 112
    speeds: tuple[int, ...] = (1, 2, 4, 8)
    """Playback speeds: a clip at speed s takes every (s * base_stride)-th frame and every s-th log-mel column."""
    base_stride: PositiveInt = 1
    """Frames from one clip frame to the next at speed 1."""
    views: Literal["anywhere", "same_moment"] = "anywhere"
    """Where the two views of a segment lie. "anywhere": each at a place and a speed of its own. "same_moment": both at one
    moment, forwards, at paces near 1; for fingerprints, without temporal terms."""
    moments: PositiveInt = 1
    """At one moment: moments per segment, each with two views of its own. Those of one source are not negatives of each
    other."""
    jitter_frames: NonNegativeFloat = 2.0
    """At one moment: the largest distance of a view's start from it, before or after."""
    pace_max: float = 1.19
    """At one moment: the pace of a view is log-uniform between 1 / pace_max and pace_max."""
    shared_direction: bool = True
    """Both views of a segment run forwards, or both backwards. With independent directions, a contrastive term between
    the views would reward features that do not distinguish an event from its reversal."""
    reverse_probability: Probability = 0.5
    balanced_order: bool = True
    """Place the two views so that the three orders are equally likely. Without order terms, false draws each view
    independently, anywhere in the segment."""
    eval_speed: PositiveInt = 2
    """Of the clips that evaluations take, unless they name others."""

    def __post_init__(self) -> None:
        if list(self.speeds) != sorted(set(self.speeds)) or min(self.speeds, default=0) < 1:
            raise ValueError("clip.speeds must be whole numbers of 1 or more, in rising order")
        if self.eval_speed not in self.speeds:
            raise ValueError(f"clip.eval_speed must be one of clip.speeds, {list(self.speeds)}")
        if self.pace_max < 1:
            raise ValueError("clip.pace_max must be at least 1")
        if self.moments > 1 and self.views != "same_moment":
            raise ValueError("clip.moments above 1 needs clip.views: same_moment")

    @property
    def clock_frames(self) -> int:
        """Frames that a clip at speed 1 spans, from its first to its last."""
        return (self.n_frames - 1) * self.base_stride + 1

    @property
    def shortest_window_frames(self) -> int:
        """Fewest frames that hold one clip: at speed 1, or at any pace for views of one moment."""
        if self.views == "anywhere":
            return self.clock_frames
        return math.ceil((self.clock_frames - 1) * self.pace_max) + 1
