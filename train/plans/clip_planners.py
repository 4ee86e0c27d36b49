"""Planners of clips. The loader asks one before it decodes, and decodes only the frames that the clips show."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from train.config.clip_config import ClipConfig
from train.errors import ConfigError
from train.plans.plan import Plan, draw_plan


class Planner(Protocol):
    """Plans the same number of clips for every segment."""

    @property
    def n_clips(self) -> int:
        """V, clips per segment."""
        ...

    @property
    def n_frames(self) -> int:
        """T, frames per clip."""
        ...

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Plan the clips of B segments with windows of n_frames (B,) int64; all randomness comes from the generator."""
        ...


@dataclass(frozen=True)
class TwoViews:
    """The two views of pretraining, of each moment."""

    clip: ClipConfig

    @property
    def n_clips(self) -> int:
        """Two for each moment of a segment."""
        return 2 * self.clip.moments

    @property
    def n_frames(self) -> int:
        """Frames per view."""
        return self.clip.n_frames

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Draw all views."""
        return draw_plan(n_frames, self.clip, generator)


@dataclass(frozen=True)
class EvenClips:
    """Clips spread evenly over the segment, played forwards; first those of the first speed, then those of the next.

    If a segment is too short for a speed, its clips take the highest speed of ClipConfig.speeds below it that fits.

    Attributes:
        clip: frames per clip, and the allowed speeds.
        clips_a_speed: clips per speed.
        speeds: playback speeds, from ClipConfig.speeds.

    Raises:
        ConfigError: no clip, or a speed that is not in ClipConfig.speeds. A lower one would be taken in its place
            without notice.
    """

    clip: ClipConfig
    clips_a_speed: int
    speeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.clips_a_speed < 1:
            raise ConfigError(f"n_clips must be at least 1, not {self.clips_a_speed}")
        if unknown := sorted(set(self.speeds) - set(self.clip.speeds)):
            raise ConfigError(
                f"clips are cut at speeds {', '.join(map(str, self.clip.speeds))} (clip.speeds), not at "
                f"{', '.join(map(str, unknown))}: choose among these (--speeds, or clip.eval_speed)"
            )

    @property
    def n_clips(self) -> int:
        """Clips per segment."""
        return self.clips_a_speed * len(self.speeds)

    @property
    def n_frames(self) -> int:
        """Frames a clip."""
        return self.clip.n_frames

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Spread the clips; nothing is random."""
        del generator
        plans = [self._at(speed, n_frames) for speed in self.speeds]
        return Plan.untimed(*(torch.cat(parts, 1) for parts in zip(*plans, strict=True)))

    def _at(self, speed: int, n_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return starts and strides at one speed, each (B, clips_a_speed) int64."""
        last = self.clip.n_frames - 1
        strides = torch.tensor([s for s in self.clip.speeds if s <= speed], device=n_frames.device)
        strides = strides * self.clip.base_stride
        fitting = (last * strides + 1 <= n_frames[:, None]).sum(1).clamp(min=1)
        stride = strides[fitting - 1][:, None].expand(-1, self.clips_a_speed)
        room = (n_frames[:, None] - last * stride - 1).clamp(min=0)
        if self.clips_a_speed == 1:
            return room // 2, stride
        place = torch.arange(self.clips_a_speed, device=n_frames.device)
        return torch.div(room * place, self.clips_a_speed - 1, rounding_mode="floor"), stride


@dataclass(frozen=True)
class WholeWindow:
    """One clip of all frames of the window; in a shorter segment the last frame is repeated."""

    n_frames: int
    n_clips: int = 1

    def __call__(self, n_frames: Tensor, generator: torch.Generator) -> Plan:
        """Plan the clip from the first frame to the last; nothing is random."""
        del generator
        first = torch.zeros_like(n_frames)[:, None]
        return Plan.untimed(first, torch.ones_like(first))
