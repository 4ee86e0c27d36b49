"""What Python does in the DALI graph: choose windows and squares, plan their clips, take the frames that they show.

DALI calls this in a thread of its own while the trainer is busy with the batch before. It keeps nothing from one batch to
the next: what it draws follows from numbers that DALI's generator gives, whose state is in DALI's checkpoint. Everything
is one call for a batch, for each value that goes between DALI and Python, and each operator of DALI's, costs threads a turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preprocess.features.splice import splice
from preprocess.schema import META_FIELDS
from train.plans.clip_planners import Planner
from train.plans.plan import Plan

N_PLACES, N_SEEDS = 3, 2
"""Numbers at random a segment: places of the window and of the square (column, row); 32 bits each to seed the plan by."""
_N_FRAMES, _HEIGHT, _WIDTH = (META_FIELDS.index(name) for name in ("n_frames", "frame_height_px", "frame_width_px"))

Arrays = list[np.ndarray]
"""One array a segment."""


@dataclass(frozen=True)
class Choice:
    """How windows, squares and clips are chosen.

    Attributes:
        planner: of the clips.
        window_frames: frames that the clips are planned in.
        columns_per_frame: log-mel columns.
        random: draw window and square; else the first window, and the square named below.
        square: 0 the first of the longer side, 1 the middle, 2 the last.
        final_px: side of the square if its pixels are handed over as they are; 0 if they are resized, which takes all rows.
    """

    planner: Planner
    window_frames: int
    columns_per_frame: int
    random: bool
    square: int
    final_px: int

    @property
    def most_frames(self) -> int:
        """Largest number of frames that a segment's clips show, K."""
        return min(self.planner.n_clips * self.planner.n_frames, self.window_frames)


@dataclass(frozen=True)
class Selection:
    """What is chosen for a batch of B segments.

    Attributes:
        numbers: (B, META_FIELDS) int64.
        start: (B,) int64, the window's first frame.
        plan: the clips.
        clip_frames: (B, V, T) int64, which of the frames taken each clip shows.
    """

    numbers: Tensor
    start: Tensor
    plan: Plan
    clip_frames: Tensor

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """Whole numbers (B, N) int64, and the clips' starts and strides (B, 2, V), which may be fractions."""
        plan = self.plan
        columns = [self.numbers, self.start, plan.order, plan.timed, plan.speed, plan.reverse, self.clip_frames]
        numbers = torch.cat([each.reshape(len(self.start), -1).long() for each in columns], 1)
        return numbers.numpy(), torch.stack([plan.start, plan.stride], 1).numpy()

    @classmethod
    def unpacked(cls, numbers: Tensor, paces: Tensor, clip_length: int) -> "Selection":
        """Of what `packed` made, for clips of that many frames."""
        n_meta, n_clips = len(META_FIELDS), paces.shape[2]
        sizes = [n_meta, 1, 1, 1, n_clips, n_clips, n_clips * clip_length]
        meta, start, order, timed, speed, reverse, shown = numbers.split(sizes, 1)
        plan = Plan(paces[:, 0], speed, paces[:, 1], reverse != 0, order[:, 0], timed[:, 0] != 0)
        return cls(meta, start[:, 0], plan, shown.unflatten(1, (n_clips, clip_length)))


@dataclass(frozen=True)
class FrameSelector:
    """Chooses for a batch, and takes the frames out of its strips."""

    choice: Choice

    @property
    def n_outputs(self) -> int:
        """Without strips."""
        return 3

    @property
    def n_video_outputs(self) -> int:
        """With strips."""
        return 7 if self.choice.final_px else 11

    def __call__(self, meta: Arrays, noise: Arrays, strips: Arrays | None = None) -> tuple[Arrays, ...]:
        """Choose, and splice.

        Args:
            meta: (META_FIELDS,) int64.
            noise: (N_PLACES + N_SEEDS,) float32 at random.
            strips: (N,) uint8, of the whole segments; none for audio only.

        Returns:
            Both arrays of `Selection.packed`; the first log-mel column of the window, (1,) int32; of strips besides: the
            spliced strip, first row and column, and numbers of rows and columns of what it is decoded of, (2,) int32 each;
            the decoded rows that are kept, int32. These are K frames of final_px rows each, a short segment's last frame
            repeated; or all rows of the frames there are, and then their shape, (4,) int32, where the square begins and
            where it ends, (2,) float32 each, and K frames out of them, int32.

        Raises:
            StripError: a strip is damaged or too short.
        """
        chosen, shown = self._choose(np.stack(meta), np.stack(noise))
        first_columns = (chosen.start.numpy()[:, None] * self.choice.columns_per_frame).astype(np.int32)
        everywhere = tuple(map(list, (*chosen.packed(), first_columns)))
        if strips is None:
            return everywhere
        starts = chosen.start.tolist()
        frames = [(np.flatnonzero(row) + start).tolist() for row, start in zip(shown, starts, strict=True)]
        spliced = [np.frombuffer(splice(strip.data, f), np.uint8) for strip, f in zip(strips, frames, strict=True)]
        pixels = zip(*self._pixels(np.stack(meta), np.stack(noise), [len(each) for each in frames]), strict=True)
        return *everywhere, spliced, *map(list, pixels)

    def _choose(self, meta: np.ndarray, noise: np.ndarray) -> tuple[Selection, np.ndarray]:
        """Windows and clips, and which frames of the window they show, (B, frames) bool."""
        choice, planner = self.choice, self.choice.planner
        taken = np.minimum(meta[:, _N_FRAMES], choice.window_frames)
        start = _drawn(meta[:, _N_FRAMES] - taken, noise[:, 0]) if choice.random else np.zeros_like(taken)
        lengths = torch.from_numpy(taken)
        seed = int.from_bytes(noise[0, N_PLACES:].tobytes(), "little") % (1 << 63)
        plan = planner(lengths, torch.Generator().manual_seed(seed))
        frames = plan.frames(lengths, planner.n_frames).flatten(1)  # (B, V * T)
        shown = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.bool).scatter_(1, frames, value=True)
        clip_frames = (shown.cumsum(1) - 1).gather(1, frames).unflatten(1, (planner.n_clips, planner.n_frames))
        return Selection(torch.from_numpy(meta), torch.from_numpy(start), plan, clip_frames), shown.numpy()

    def _pixels(self, meta: np.ndarray, noise: np.ndarray, counts: list[int]) -> Iterator[Arrays]:
        """What is decoded of each segment's spliced strip, and kept of it."""
        choice = self.choice
        rooms = meta[:, [_WIDTH, _HEIGHT]] - meta[:, [_WIDTH, _HEIGHT]].min(1, keepdims=True)
        lefts, tops = _drawn(rooms, noise[:, 1:N_PLACES]).T if choice.random else (rooms * choice.square // 2).T
        sizes = zip(counts, meta[:, _HEIGHT].tolist(), meta[:, _WIDTH].tolist(), strict=True)
        for (n, height, width), left, top in zip(sizes, lefts.tolist(), tops.tolist(), strict=True):
            side = min(height, width)
            decoded = [np.array([0, left], np.int32), np.array([n * height, side], np.int32)]
            frames = np.arange(choice.most_frames, dtype=np.int32).clip(max=n - 1)
            if choice.final_px:
                yield [*decoded, inner_rows(frames, height, top, side)]
                continue
            # Resizing reads beyond the square's edge: it gets all rows.
            yield [
                *decoded,
                inner_rows(frames[:n], height, 0, height),
                np.array([n, height, side, 3], np.int32),
                np.array([top, 0], np.float32),
                np.array([top + side, side], np.float32),
                frames,
            ]


def _drawn(room: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Whole numbers over 0 .. room, inclusive, from `place` in [0, 1), uniform there."""
    return np.minimum(np.floor(place * (room + 1).astype(np.float32)).astype(np.int64), room)


def inner_rows(frames: np.ndarray, height: int, first: int, number: int) -> np.ndarray:
    """Rows first .. first + number of these frames of a strip, (len(frames) * number,) int32; of an edge its neighbour's.

    The decoder smooths chroma across the rows of a strip, so a frame's first and last row hold colour of the frames before
    and behind, which a clip at 1x shows and a faster one skips: they would tell the speed and the direction.
    """
    rows = np.arange(first, first + number, dtype=np.int32).clip(1, height - 2)
    return (frames[:, None] * np.int32(height) + rows).ravel()
