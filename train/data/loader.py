"""Batches of segments from shards, decoded by DALI: endless and shuffled for training, or each segment once.

The clips of each segment are planned first, and only the frames that they show are decoded.

The contract. A training loader never ends. Every rank always gets full batches, so no rank waits for another, and progress
is counted in steps, not epochs. Still, each segment of a rank's share is returned once before any is returned again, and
the ranks change shares after each epoch. A batch across the border of two epochs may hold a segment twice, which
`segment_id` shows. The state of a loader defines the next batch exactly, whatever DALI has read ahead. Order, windows,
plans and squares depend on the seed, the rank and the number of batches drawn before, and on nothing else.

Shuffling. Neighbours in a shard are often of one class. So the order of the shards is drawn anew in each epoch, and each
segment is drawn from the next `train.data.dali_graph.SHUFFLE_SEGMENTS` in that order. Smaller data sets, such as UCF101,
are shuffled completely.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from nvidia.dali import Pipeline

from preprocess.schema import META_FIELDS
from preprocess.temporary_folder import temporary_folder
from train.data.batch import SegmentBatch
from train.data.dali_graph import Graph, build_pipeline
from train.data.frame_selection import FrameSelector, Selection
from train.data.loader_config import SQUARES, LoaderConfig
from train.data.subset import Subset, read_info, select
from train.errors import LoaderStateError, ShardSetError, TooFewSegmentsError
from train.plans.clip_planners import WholeWindow
from train.seeds import stream_seed

_STATE_FIELDS = ("batch_size", "frame_px", "window_frames", "shuffle", "seed", "split", "rank", "world_size")
"""Settings that must be the same when a state is loaded, besides the shards; folder and threads may change."""


class SegmentLoader:
    """Endless iterator over batches.

    Attributes:
        wait_seconds: time spent waiting for batches so far.
        n_segments: segments in an epoch of all ranks.

    Args:
        config: what to load.
        device: where frames are decoded and batches lie.

    Raises:
        ShardSetError: a file of the data set is missing or damaged.
        TooFewSegmentsError: not every rank can fill a batch without taking a segment twice.
    """

    def __init__(self, config: LoaderConfig, device: torch.device | str = "cpu") -> None:
        self._source = _Source(config, torch.device(device))
        self._config = config
        self.n_segments = self._source.subset.n_segments
        share = self.n_segments // config.world_size
        if share < config.batch_size:
            fitting = f"--set data.batch_size={1 << share.bit_length() - 1}, or " if share > 1 else ""
            remedy = f"Train with {fitting}fewer ranks, or make more shards"
            if config.split and not self.n_segments:
                remedy = "Name a split that the shards have, or train on all: --set \"data.split=''\""
            raise TooFewSegmentsError(
                f"{self._source.name} holds {self.n_segments} segments: too few for {config.world_size} rank(s) with "
                f"batches of {config.batch_size}. {remedy}"
            )
        self.wait_seconds = 0.0
        self._pipeline: Pipeline | None = None
        self._checkpoint = b""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SegmentBatch:
        self._source.settle()
        since = time.perf_counter()
        if self._pipeline is None:
            self._pipeline = self._source.build(self._checkpoint or None)
        batch = self._source.draw(self._pipeline)
        self._checkpoint = b""
        self.wait_seconds += time.perf_counter() - since
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return plain values that define the next batch; batches that DALI has read ahead do not count as drawn."""
        if self._pipeline is not None and not self._checkpoint:
            return self._identity() | {"checkpoint": self._pipeline.checkpoint()}
        return self._identity() | {"checkpoint": self._checkpoint}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from where `state_dict` was taken.

        Raises:
            LoaderStateError: it was taken with other shards or settings.
        """
        own = self._identity()
        if not isinstance(state.get("checkpoint"), bytes):
            raise LoaderStateError("the loader's state is damaged: start from another checkpoint")
        differ = [f"{k} was {state.get(k)!r}, is {value!r}" for k, value in own.items() if state.get(k) != value]
        if differ:
            raise LoaderStateError(f"the loader's state does not fit: {'; '.join(differ)}")
        self._checkpoint = state["checkpoint"]
        self._pipeline = None
        if self._checkpoint:
            self._pipeline = self._source.build(self._checkpoint)

    def _identity(self) -> dict[str, Any]:
        return {"shards_fingerprint": self._source.fingerprint} | {n: getattr(self._config, n) for n in _STATE_FIELDS}


def iterate_once(config: LoaderConfig, device: torch.device | str = "cpu") -> Iterator[SegmentBatch]:
    """Yield each segment once, in manifest order, with its first window and the configured square.

    The last batch may be short. Each of several ranks gets a contiguous share; shares differ by at most one segment.

    Raises:
        ShardSetError: a file of the data set is missing or damaged.
        TooFewSegmentsError: there is no segment at all.
    """
    source = _Source(replace(config, shuffle=False), torch.device(device))
    total, rank, world = source.subset.n_segments, config.rank, config.world_size
    if total == 0:
        raise TooFewSegmentsError(f"{source.name} holds no segment")
    left = total * (rank + 1) // world - total * rank // world
    pipeline = source.build(None) if left else None
    while pipeline is not None and left:
        source.settle()
        batch = source.draw(pipeline)
        batch = batch if len(batch) <= left else batch.first(left)
        left -= len(batch)
        yield batch


class _Source:
    """Chooses shards, builds pipelines from them, and turns their outputs into batches."""

    def __init__(self, config: LoaderConfig, device: torch.device) -> None:
        shards = Path(config.shards)
        info = read_info(shards)
        self.name = f"{shards} (split {config.split})" if config.split else str(shards)
        self.fingerprint = info.fingerprint
        self._shards, self._device = shards, device
        self._index_folder = tempfile.TemporaryDirectory(prefix="avtempo-index-", dir=temporary_folder())
        subset = select(shards, info, config.split, config.only_shards, Path(self._index_folder.name))
        self.subset = _shuffled(subset, config.seed) if config.shuffle else subset
        device_id = None
        if device.type == "cuda":
            device_id = device.index if device.index is not None else torch.cuda.current_device()
        is_final = config.frame_px == info.params.short_side_px  # the square has its final size already
        self._selector = FrameSelector(
            config.clips or WholeWindow(config.window_frames), config.window_frames, info.params.columns_per_frame,
            random=config.shuffle, square=SQUARES.index(config.square), final_px=config.frame_px if is_final else 0,
        )  # fmt: skip
        self._graph = Graph(info.params, config, self._selector, device_id)
        self._lent: list[tuple[Any, torch.cuda.Event]] = []

    def settle(self) -> None:
        """Wait until a GPU has read the batch before the last one, and give its memory back to DALI.

        DALI may fill the memory again as soon as no tensor uses it, whatever torch's stream has yet to read from it.
        """
        if len(self._lent) > 1:
            self._lent.pop(0)[1].synchronize()
        if self._lent:
            self._lent[-1][1].record()  # behind all that reads the last batch

    def build(self, checkpoint: bytes | None) -> Pipeline:
        try:
            return build_pipeline(self._graph, self.subset, checkpoint)
        except (RuntimeError, ValueError) as error:
            if checkpoint:
                raise LoaderStateError(
                    f"the loader's state is damaged or of another DALI release ({_gist(error)}): start from another "
                    "checkpoint, or with the release that wrote it"
                ) from error
            raise ShardSetError(self._shards, f"DALI cannot start on these shards: {_gist(error)}") from error

    def draw(self, pipeline: Pipeline) -> SegmentBatch:
        """Wait for the next batch of a pipeline, and put it on the device."""
        try:
            outputs = pipeline.run()  # waits until the batch is whole, on a GPU too
        except (RuntimeError, UnicodeDecodeError) as error:  # the latter where DALI quotes damaged bytes
            remedy = "run `python -m preprocess verify` on the folder, which names the damaged segment"
            raise ShardSetError(self._shards, f"a segment cannot be decoded ({_gist(error)}): {remedy}") from error
        # DALI gives each batch memory of its own, which lives as long as the tensors: no copy is needed.
        *frames, logmel, numbers, paces = (torch.from_dlpack(output.as_tensor()) for output in outputs)
        if self._device.type == "cuda":
            self._lent.append((frames, torch.cuda.Event()))
        chosen = Selection.unpacked(numbers, paces, self._selector.planner.n_frames)
        meta = dict(zip(META_FIELDS, chosen.numbers.unbind(1), strict=True))
        has_audio = meta["has_audio"] != 0
        batch = SegmentBatch(
            frames=frames[0] if frames else None,
            clip_frames=chosen.clip_frames if frames else None,
            plan=chosen.plan,
            logmel=logmel,
            n_frames=meta["n_frames"].clamp(max=self._selector.window_frames),
            window_start_frame=chosen.start,
            has_audio=has_audio,
            n_heard=int(has_audio.sum()),
            label=meta["label"],
            segment_id=meta["segment_id"],
        )
        return batch.to(self._device)


def _shuffled(subset: Subset, seed: int) -> Subset:
    """Shuffle the shards for the first epoch; DALI itself shuffles them only after each epoch."""
    generator = torch.Generator().manual_seed(stream_seed("first shards", seed))
    order = torch.randperm(len(subset.tars), generator=generator).tolist()
    return replace(subset, tars=tuple(subset.tars[i] for i in order), indexes=tuple(subset.indexes[i] for i in order))


def _gist(error: Exception) -> str:
    """Pick the line of DALI's message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    after = [i for i, line in enumerate(lines) if line.startswith("encountered:")]
    return lines[after[0] + 1] if after and after[0] + 1 < len(lines) else lines[0] if lines else "no message"
