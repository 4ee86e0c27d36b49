"""What Python does in the DALI graph: plan the clips of a batch, then take the frames that they show out of the strips.

DALI calls these functions in its own threads while the trainer is busy with the batch before. They keep nothing from one
batch to the next: what they draw follows from numbers that DALI's generator gives, whose state is in DALI's checkpoint.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from preprocess.splice import splice
from train.plan import Plan
from train.planners import Planner

SEED_NUMBERS = 2
"""Numbers of 32 bits that a batch's generator is seeded with."""
N_OUTPUTS = 1 + len(fields(Plan))
"""Of a `BatchPlanner`."""

Arrays = list[np.ndarray]
"""One array a segment."""


@dataclass(frozen=True)
class BatchPlanner:
    """Plans a batch, and says which frames its clips show."""

    planner: Planner

    def __call__(self, n_frames: Arrays, noise: Arrays) -> tuple[Arrays, ...]:
        """Plan.

        Args:
            n_frames: () int32, of each segment's window.
            noise: (SEED_NUMBERS,) float32 at random, of which the first segment's seed the generator.

        Returns:
            The clips' frames in the window, (V, T) int64, then the plan's fields.
        """
        lengths = torch.from_numpy(np.stack(n_frames).astype(np.int64))
        generator = torch.Generator().manual_seed(int.from_bytes(noise[0].tobytes(), "little") % (1 << 63))
        plan = self.planner(lengths, generator)
        outputs = (plan.frames(lengths, self.planner.n_frames), *(getattr(plan, field.name) for field in fields(plan)))
        return tuple([np.array(row) for row in tensor.numpy()] for tensor in outputs)


def take_needed(strip: np.ndarray, start: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splice a strip of the frames that a segment's clips show, each once, in the order of time.

    Args:
        strip: (N,) uint8, of the whole segment.
        start: () int32, first frame of the window.
        frames: (V, T) int64, that the clips show, counted from there.

    Returns:
        The new strip (M,) uint8, the number of its frames () int32, and its frame for each of the clips' frames (V, T) int64.

    Raises:
        StripError: the strip is damaged or too short.
    """
    needed, rows = np.unique(frames, return_inverse=True)
    spliced = splice(strip.data, (needed + start).tolist())
    return np.frombuffer(spliced, np.uint8), np.array(len(needed), np.int32), rows.reshape(frames.shape)


def most_frames(planner: Planner, window_frames: int) -> int:
    """Largest number of frames that a segment's clips show."""
    return min(planner.n_clips * planner.n_frames, window_frames)
