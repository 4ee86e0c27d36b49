"""The Python part of the DALI graph: choose windows and squares, plan clips, cut the shown frames out of the strips.

DALI calls this in a thread of its own while the trainer works on the batch before. Nothing is kept between batches:
random choices follow from numbers drawn by DALI's generator, whose state is in DALI's checkpoint. One call serves a whole
batch, because every value passed between DALI and Python costs a change of threads.
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
"""Random numbers per segment: N_PLACES place the window and the square (column, row); N_SEEDS of 32 bits seed the plan."""
_N_FRAMES, _HEIGHT, _WIDTH = (META_FIELDS.index(name) for name in ("n_frames", "frame_height_px", "frame_width_px"))

Arrays = list[np.ndarray]
"""One array per segment."""


@dataclass(frozen=True)
class Selection:
    """The choices for a batch of B segments.

    Attributes:
        numbers: (B, META_FIELDS) int64.
        start: (B,) int64, first frame of the window.
        plan: the planned clips.
        clip_frames: (B, V, T) int64, for each clip the positions of its frames among the frames that are decoded.
    """

    numbers: Tensor
    start: Tensor
    plan: Plan
    clip_frames: Tensor

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """As two arrays: all integers (B, N) int64; starts and strides of the clips (B, 2, V), which may be fractions."""
        plan = self.plan
        columns = [self.numbers, self.start, plan.order, plan.timed, plan.speed, plan.reverse, self.clip_frames]
        numbers = torch.cat([each.reshape(len(self.start), -1).long() for each in columns], 1)
        return numbers.numpy(), torch.stack([plan.start, plan.stride], 1).numpy()

    @classmethod
    def unpacked(cls, numbers: Tensor, paces: Tensor, clip_length: int) -> "Selection":
        """Reverse `packed`, for clips of `clip_length` frames."""
        n_meta, n_clips = len(META_FIELDS), paces.shape[2]
        sizes = [n_meta, 1, 1, 1, n_clips, n_clips, n_clips * clip_length]
        meta, start, order, timed, speed, reverse, shown = numbers.split(sizes, 1)
        plan = Plan(paces[:, 0], speed, paces[:, 1], reverse != 0, order[:, 0], timed[:, 0] != 0)
        return cls(meta, start[:, 0], plan, shown.unflatten(1, (n_clips, clip_length)))


@dataclass(frozen=True)
class FrameSelector:
    """Chooses windows, squares and clips for a batch, and cuts the chosen frames out of its strips.

    Attributes:
        planner: plans the clips.
        window_frames: length of the window in which clips are planned.
        columns_per_frame: log-mel columns per video frame.
        random: draw window and square; if False, take the first window and the square `square`.
        square: position along the longer side: 0 first, 1 middle, 2 last.
        final_px: side of the square if its pixels are not resized; 0 if they are.
    """

    planner: Planner
    window_frames: int
    columns_per_frame: int
    random: bool
    square: int
    final_px: int

    @property
    def most_frames(self) -> int:
        """K, the largest number of different frames that the clips of one segment show."""
        return min(self.planner.n_clips * self.planner.n_frames, self.window_frames)

    def n_outputs(self, *, with_strips: bool) -> int:
        """Count the arrays of a call."""
        return 3 if not with_strips else 7 if self.final_px else 11

    def __call__(self, meta: Arrays, noise: Arrays, strips: Arrays | None = None) -> tuple[Arrays, ...]:
        """Choose windows, squares and clips; splice the chosen frames.

        Args:
            meta: (META_FIELDS,) int64.
            noise: (N_PLACES + N_SEEDS,) float32, random.
            strips: (N,) uint8, the JPEG strips of whole segments; None for audio only.

        Returns:
            Both arrays of `Selection.packed`, and the first log-mel column of the window, (1,) int32. With strips also:
            the spliced strip; first row and column of the part to decode, (2,) int32; its numbers of rows and columns,
            (2,) int32; and the rows to keep, int32. Without resizing these are K frames of final_px rows, where the last
            frame of a short segment is repeated. With resizing they are all rows of the chosen frames, and four outputs
            follow: the shape (4,) int32, start and end of the square, (2,) float32 each, and the K frames to take, int32.

        Raises:
            StripError: a strip is damaged or too short.
        """
        chosen, shown = self._choose(np.stack(meta), np.stack(noise))
        first_columns = (chosen.start.numpy()[:, None] * self.columns_per_frame).astype(np.int32)
        everywhere = tuple(map(list, (*chosen.packed(), first_columns)))
        if strips is None:
            return everywhere
        starts = chosen.start.tolist()
        frames = [(np.flatnonzero(row) + start).tolist() for row, start in zip(shown, starts, strict=True)]
        spliced = [np.frombuffer(splice(strip.data, f), np.uint8) for strip, f in zip(strips, frames, strict=True)]
        pixels = zip(*self._pixels(np.stack(meta), np.stack(noise), [len(each) for each in frames]), strict=True)
        return *everywhere, spliced, *map(list, pixels)

    def _choose(self, meta: np.ndarray, noise: np.ndarray) -> tuple[Selection, np.ndarray]:
        """Choose windows and clips; also return which frames of the window are shown, (B, frames) bool."""
        planner = self.planner
        taken = np.minimum(meta[:, _N_FRAMES], self.window_frames)
        start = _drawn(meta[:, _N_FRAMES] - taken, noise[:, 0]) if self.random else np.zeros_like(taken)
        lengths = torch.from_numpy(taken)
        seed = int.from_bytes(noise[0, N_PLACES:].tobytes(), "little") % (1 << 63)
        plan = planner(lengths, torch.Generator().manual_seed(seed))
        frames = plan.frames(lengths, planner.n_frames).flatten(1)  # (B, V * T)
        shown = torch.zeros(len(lengths), int(lengths.max()), dtype=torch.bool).scatter_(1, frames, value=True)
        clip_frames = (shown.cumsum(1) - 1).gather(1, frames).unflatten(1, (planner.n_clips, planner.n_frames))
        return Selection(torch.from_numpy(meta), torch.from_numpy(start), plan, clip_frames), shown.numpy()

    def _pixels(self, meta: np.ndarray, noise: np.ndarray, counts: list[int]) -> Iterator[Arrays]:
        """Yield for each segment which part of its spliced strip is decoded, and which rows of that part are kept."""
        rooms = meta[:, [_WIDTH, _HEIGHT]] - meta[:, [_WIDTH, _HEIGHT]].min(1, keepdims=True)
        lefts, tops = _drawn(rooms, noise[:, 1:N_PLACES]).T if self.random else (rooms * self.square // 2).T
        sizes = zip(counts, meta[:, _HEIGHT].tolist(), meta[:, _WIDTH].tolist(), strict=True)
        for (n, height, width), left, top in zip(sizes, lefts.tolist(), tops.tolist(), strict=True):
            side = min(height, width)
            decoded = [np.array([0, left], np.int32), np.array([n * height, side], np.int32)]
            frames = np.arange(self.most_frames, dtype=np.int32).clip(max=n - 1)
            if self.final_px:
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
    """Map `place`, uniform over [0, 1), to integers uniform over 0 .. room, both included."""
    return np.minimum(np.floor(place * (room + 1).astype(np.float32)).astype(np.int64), room)


def inner_rows(frames: np.ndarray, height: int, first: int, number: int) -> np.ndarray:
    """Rows first .. first + number of each frame in a strip, (len(frames) * number,) int32.

    The outermost rows of a frame are replaced by their neighbours. The decoder smooths chroma across the rows of a strip,
    so these rows hold colour of the frames before and after. A clip at speed 1 shows those frames and a faster clip skips
    them, so the colour would reveal speed and direction.
    """
    rows = np.arange(first, first + number, dtype=np.int32).clip(1, height - 2)
    return (frames[:, None] * np.int32(height) + rows).ravel()
