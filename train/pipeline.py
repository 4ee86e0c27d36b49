"""The DALI graph: shards in, the frames that planned clips show and log-mels of equal size out. The same on CPU and GPU.

The clips are planned before anything is decoded (`train/planned.py`), and only frames that they show, and of them only the
square's columns, are. What is random follows from DALI's own generators, so that it is part of DALI's checkpoint.
"""

import math
from dataclasses import dataclass
from typing import Any

import nvidia.dali.math as dmath
from nvidia import dali
from nvidia.dali import Pipeline

from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, MEL_POWER_FLOOR, META_FIELDS, META_MEMBER, ShardParams
from train.planned import N_OUTPUTS, SEED_NUMBERS, BatchPlanner, most_frames, take_frames
from train.planners import Planner
from train.subset import Subset

fn: Any = dali.fn
types: Any = dali.types
pipeline_def: Any = dali.pipeline_def
"""Made when DALI is imported, and wider than its type stubs say."""

SHUFFLE_SEGMENTS = 16_384
"""Segments that the next one is drawn from. Archives are mapped into memory, not read ahead: what waits in this buffer
costs an entry each, not its bytes (measured: 2 KB and 0.1 ms at the start), so it can hold all of UCF101."""

_FILE_BYTES = 16
"""First size of the reader's buffers. Mapped archives need none; DALI's default of 1 MiB would be taken for each."""

_N_FRAMES, _HEIGHT, _WIDTH = (META_FIELDS.index(name) for name in ("n_frames", "frame_height_px", "frame_width_px"))

Node = Any
"""A DALI DataNode: a batch of tensors that do not exist yet."""


@dataclass(frozen=True)
class Graph:
    """What decides the graph, besides the files.

    Attributes:
        params: of the shards.
        batch_size: segments a batch.
        frame_px: side of the square frames that come out.
        window_frames: frames that the clips are planned in.
        planner: of the clips.
        random: shuffle, and draw window and square at random; else shard order, the first window, the square named below.
        seed: of everything random; ranks share it.
        rank: this process among `world_size`.
        num_threads: DALI's decoding threads.
        device_id: GPU to decode on, or None for the CPU.
        square: place of the square where it is not drawn: 0 the first of the longer side, 1 the middle, 2 the last.
    """

    params: ShardParams
    batch_size: int
    frame_px: int
    window_frames: int
    planner: Planner
    random: bool
    seed: int
    rank: int
    world_size: int
    num_threads: int
    device_id: int | None
    square: int = 1


def build_pipeline(graph: Graph, subset: Subset, checkpoint: bytes | None = None) -> Pipeline:
    """Build the pipeline, and put it where `checkpoint` was taken.

    Its outputs: frames (B, K, frame_px, frame_px, 3) uint8 and which of them the clips show (B, V, T) int64, both absent
    for audio shards; log-mels (B, n_mels, columns) float32; the numbers of META_FIELDS (B, 7) int64; first frame of the
    window (B,) int32; the fields of `Plan`.
    """
    definition = pipeline_def(
        batch_size=graph.batch_size,
        num_threads=graph.num_threads,
        device_id=graph.device_id,
        # Windows differ between ranks, the order of the shards must not.
        seed=(graph.seed * 1_000_003 + graph.rank) % (1 << 31),
        prefetch_queue_depth=2,
        enable_checkpointing=True,
        checkpoint=checkpoint,
    )(_define)
    pipeline = definition(graph, subset)
    pipeline.build()
    return pipeline


def _define(graph: Graph, subset: Subset) -> tuple[Node, ...]:
    *frames, logmel, meta = _read(graph, subset)
    meta = fn.decoders.numpy(meta, dtype=types.INT64)
    sizes = fn.cast(meta, dtype=types.INT32)
    n_frames = sizes[_N_FRAMES]
    taken = dmath.min(n_frames, _int32(graph.window_frames))
    place = fn.random.uniform(range=[0.0, 1.0], shape=[3]) if graph.random else None
    start = n_frames - n_frames if place is None else _draw(n_frames - taken, place, 0)
    logmel = _window_columns(logmel, start, graph)
    noise = fn.random.uniform(range=[0.0, 1.0], shape=[SEED_NUMBERS])
    needed, rows, *plan = fn.python_function(
        taken, noise, function=BatchPlanner(graph.planner), num_outputs=N_OUTPUTS, batch_processing=True
    )
    if not frames:
        return logmel, meta, start, *plan
    return _decode(frames[0], start, needed, sizes, place, graph), rows, logmel, meta, start, *plan


def _read(graph: Graph, subset: Subset) -> tuple[Node, ...]:
    """Bytes of the members that are needed."""
    members = [LOGMEL_MEMBER, META_MEMBER]
    if graph.params.media == "video":
        members.insert(0, FRAMES_MEMBER)
    order: dict[str, Any] = {}
    if graph.random:
        order = {
            "random_shuffle": True,
            "initial_fill": min(subset.n_segments, SHUFFLE_SEGMENTS),
            "shuffle_after_epoch": True,
            "shuffle_after_epoch_seed": graph.seed % (1 << 31),
        }
    return tuple(
        fn.readers.webdataset(
            paths=[str(path) for path in subset.tars],
            index_paths=[str(path) for path in subset.indexes],
            ext=members,
            missing_component_behavior="error",
            shard_id=graph.rank,
            num_shards=graph.world_size,
            tensor_init_bytes=_FILE_BYTES,
            name="shards",
            **order,
        )
    )


def _window_columns(data: Node, start: Node, graph: Graph) -> Node:
    """Log-mel columns of the window's frames, float32, silence after the segment's end: (n_mels, columns)."""
    columns = graph.params.columns_per_frame
    return fn.slice(
        fn.decoders.numpy(data, dtype=types.FLOAT),
        start * columns,
        _int32(graph.window_frames * columns),
        axes=[1],
        out_of_bounds_policy="pad",
        fill_values=math.log(MEL_POWER_FLOOR),
    )


def _decode(data: Node, start: Node, needed: Node, sizes: Node, place: Node | None, graph: Graph) -> Node:
    """Splice a strip, decode it, cut the square, resize where needed, black after the last frame: (K, px, px, 3) uint8."""
    height, side = sizes[_HEIGHT], dmath.min(sizes[_HEIGHT], sizes[_WIDTH])
    left, top = _corner(sizes, side, place, graph)
    is_final = graph.frame_px == graph.params.short_side_px  # the square has its final size already
    # Resizing reads beyond the square's edge: it gets all rows.
    first_row, n_rows = (top, side) if is_final else (top - top, height)
    strip, kept = fn.python_function(
        data, start, needed, height, first_row, n_rows, function=take_frames, num_outputs=2, batch_processing=True
    )
    n_frames = fn.cast(needed.shape()[0], dtype=types.INT32)
    pixels = fn.decoders.image_slice(
        strip,
        device="cpu" if graph.device_id is None else "mixed",
        axes=[0, 1],
        start=fn.stack(_int32(0), left),
        shape=fn.stack(n_frames * height, side),
        output_type=types.RGB,
        adjust_orientation=False,
        jpeg_fancy_upsampling=True,  # on a GPU too: the same pixels as on a CPU
    )
    # Rows as the frames of a sequence: one copy cuts the square and overwrites the edges.
    rows = fn.sequence_rearrange(fn.reshape(pixels, layout="FWC"), new_order=kept)
    # (K * n_rows, side, 3) -> (K, n_rows, side, 3)
    frames = fn.reshape(rows, shape=fn.stack(n_frames, n_rows, side, _int32(3)), layout="FHWC")
    if not is_final:
        frames = _resize(frames, top, side, graph.frame_px)
    return fn.pad(frames, axes=[0], shape=[most_frames(graph.planner, graph.window_frames)], fill_value=0)


def _corner(sizes: Node, side: Node, place: Node | None, graph: Graph) -> tuple[Node, Node]:
    """First column and first row of the square, int32."""
    rooms = sizes[_WIDTH] - side, sizes[_HEIGHT] - side
    if place is None:
        left, top = ((room * _int32(graph.square)) // _int32(2) for room in rooms)
        return left, top
    return _draw(rooms[0], place, 1), _draw(rooms[1], place, 2)


def _resize(frames: Node, top: Node, side: Node, px: int) -> Node:
    """The square from row `top` on, (K, H, side, 3), at its final size: (K, px, px, 3)."""
    return fn.resize(
        frames,
        size=[px, px],
        roi_start=fn.cast(fn.stack(top, _int32(0)), dtype=types.FLOAT),
        roi_end=fn.cast(fn.stack(top + side, side), dtype=types.FLOAT),
        interp_type=types.INTERP_LINEAR,
        antialias=True,
    )


def _draw(room: Node, place: Node, which: int) -> Node:
    """Uniform over 0 .. room, inclusive, from a number of `place` in [0, 1). int32."""
    drawn = dmath.floor(place[which] * fn.cast(room + _int32(1), dtype=types.FLOAT))
    return dmath.min(fn.cast(drawn, dtype=types.INT32), room)


def _int32(value: int) -> Node:
    return types.Constant(value, dtype=types.INT32)
