"""What a loader of segments loads, and how."""

from dataclasses import dataclass
from typing import Literal

from train.data.subset import parse_split
from train.errors import ConfigError
from train.plans.clip_planners import Planner

Square = Literal["first", "middle", "last"]
SQUARES: tuple[Square, ...] = ("first", "middle", "last")
"""Places of the square along a frame's longer side: left, centre and right, or top, middle and bottom."""


@dataclass(frozen=True)
class LoaderConfig:
    """What to load, and how.

    Attributes:
        shards: folder of the data set.
        batch_size: segments per batch and rank.
        frame_px: side of the square frames.
        window_frames: length of the window in which clips are planned. Longer segments give a random window (shuffle) or
            their first.
        shuffle: random order, windows and squares, for training.
        seed: seed of everything random.
        num_threads: DALI's decoding threads.
        split: `"1:train"` keeps segments whose split 1 says train, `"fold:2,3"` those of folds 2 and 3; empty all.
        rank, world_size: this process among its peers.
        only_shards: names of the shards to read, such as `shard-000002.tar`; empty for all.
        square: which square of the frames is taken, unless it is drawn at random.
        clips: plans the clips of a segment; None for one clip of the whole window.

    Raises:
        ConfigError: a value is out of range.
    """

    shards: str
    batch_size: int
    frame_px: int
    window_frames: int
    shuffle: bool
    seed: int
    num_threads: int
    split: str = ""
    rank: int = 0
    world_size: int = 1
    only_shards: tuple[str, ...] = ()
    square: Square = "middle"
    clips: Planner | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "frame_px", "window_frames", "num_threads", "world_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"loader: {name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.rank < self.world_size:
            raise ConfigError(f"loader: rank {self.rank} is not one of {self.world_size}")
        if self.square not in SQUARES or (self.shuffle and self.square != "middle"):
            raise ConfigError(f"loader: square is one of {', '.join(SQUARES)}, and drawn at random with shuffle")
        if self.split:
            parse_split(self.split)
