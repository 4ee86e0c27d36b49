"""The DALI graph, the same on CPU and GPU: shards in; frames of planned clips and log-mels of equal length out.

Clips are planned before anything is decoded (`train/data/frame_selection.py`). Only the frames that they show are decoded,
and of these only the columns of the square. All randomness comes from DALI's own generators, so DALI's checkpoint holds it.
"""

import math
from dataclasses import dataclass
from typing import Any

from nvidia import dali
from nvidia.dali import Pipeline

from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, MEL_POWER_FLOOR, META_MEMBER, ShardParams
from train.data.frame_selection import N_PLACES, N_SEEDS, FrameSelector
from train.data.loader_config import LoaderConfig
from train.data.subset import Subset
from train.seeds import stream_seed

fn: Any = dali.fn
types: Any = dali.types
pipeline_def: Any = dali.pipeline_def
"""Made when DALI is imported, and wider than its type stubs say."""

SHUFFLE_SEGMENTS = 16_384
"""Size of the buffer from which the next segment is drawn. Archives are mapped into memory, not read ahead, so a waiting
segment costs an entry (measured: 2 KB, and 0.1 ms at the start), not its bytes. The buffer can hold all of UCF101."""

_FILE_BYTES = 16
"""Initial size of the reader's buffers. Mapped archives need none, and DALI's default of 1 MiB would be allocated for each."""

_DALI_SHIFT = 32
"""Bits that are cut off a seed for DALI, which takes 31."""

Node = Any
"""A DALI DataNode: a batch of tensors that do not exist yet."""


@dataclass(frozen=True)
class Graph:
    """Everything that defines the graph, besides the files.

    Attributes:
        params: of the shards.
        config: batches, ranks, seed and threads.
        selector: of windows, squares and clips; if it draws them at random, the segments are shuffled too.
        device_id: GPU to decode on, or None for the CPU.
    """

    params: ShardParams
    config: LoaderConfig
    selector: FrameSelector
    device_id: int | None


def build_pipeline(graph: Graph, subset: Subset, checkpoint: bytes | None = None) -> Pipeline:
    """Build the pipeline, and put it where `checkpoint` was taken.

    Its outputs: frames (B, K, frame_px, frame_px, 3) uint8, absent for audio shards; log-mels (B, n_mels, columns) float32;
    both arrays of `train.data.frame_selection.Selection.packed`.
    """
    definition = pipeline_def(
        batch_size=graph.config.batch_size,
        num_threads=graph.config.num_threads,
        device_id=graph.device_id,
        # Windows differ between ranks, the order of the shards must not.
        seed=stream_seed("windows", graph.config.seed, graph.config.rank) >> _DALI_SHIFT,
        prefetch_queue_depth=2,
        enable_checkpointing=True,
        checkpoint=checkpoint,
    )(_define)
    pipeline = definition(graph, subset)
    pipeline.build()
    return pipeline


def _define(graph: Graph, subset: Subset) -> tuple[Node, ...]:
    *strips, logmel, meta = _read(graph, subset)
    numbers, paces, first_column, *pixels = fn.python_function(
        fn.decoders.numpy(meta, dtype=types.INT64),
        fn.random.uniform(range=[0.0, 1.0], shape=[N_PLACES + N_SEEDS]),
        *strips,
        function=graph.selector,
        num_outputs=graph.selector.n_outputs(with_strips=bool(strips)),
        batch_processing=True,
    )
    frames = (_decode(*pixels, graph=graph),) if strips else ()
    return *frames, _window_columns(logmel, first_column, graph), numbers, paces


def _read(graph: Graph, subset: Subset) -> tuple[Node, ...]:
    """Bytes of the members that are needed."""
    members = [LOGMEL_MEMBER, META_MEMBER]
    if graph.params.media == "video":
        members.insert(0, FRAMES_MEMBER)
    order: dict[str, Any] = {}
    if graph.selector.random:
        order = {
            "random_shuffle": True,
            "initial_fill": min(subset.n_segments, SHUFFLE_SEGMENTS),
            "shuffle_after_epoch": True,
            "shuffle_after_epoch_seed": stream_seed("shards", graph.config.seed) >> _DALI_SHIFT,
        }
    return tuple(
        fn.readers.webdataset(
            paths=[str(path) for path in subset.tars],
            index_paths=[str(path) for path in subset.indexes],
            ext=members,
            missing_component_behavior="error",
            shard_id=graph.config.rank,
            num_shards=graph.config.world_size,
            tensor_init_bytes=_FILE_BYTES,
            name="shards",
            **order,
        )
    )


def _window_columns(data: Node, first: Node, graph: Graph) -> Node:
    """Log-mel columns of the window's frames, float32, silence after the segment's end: (n_mels, columns)."""
    columns = fn.slice(
        fn.decoders.numpy(data, dtype=types.FLOAT16),
        first,
        types.Constant(graph.selector.window_frames * graph.params.columns_per_frame, dtype=types.INT32),
        axes=[1],
        out_of_bounds_policy="pad",
        fill_values=math.log(MEL_POWER_FLOOR),
    )
    return fn.cast(columns, dtype=types.FLOAT)  # of the window alone: it takes as long as a frame's decoding


def _decode(strip: Node, first: Node, size: Node, rows: Node, *resizing: Node, graph: Graph) -> Node:
    """Decode what is taken of a strip, by what `FrameSelector` says of it: (K, px, px, 3) uint8."""
    pixels = fn.decoders.image_slice(
        strip,
        device="cpu" if graph.device_id is None else "mixed",
        axes=[0, 1],
        start=first,
        shape=size,
        output_type=types.RGB,
        adjust_orientation=False,
        jpeg_fancy_upsampling=True,  # on a GPU too: the same pixels as on a CPU
    )
    # Rows as the frames of a sequence: one copy cuts the square and overwrites the edges.
    rows = fn.sequence_rearrange(fn.reshape(pixels, layout="FWC"), new_order=rows)
    px = graph.config.frame_px
    if not resizing:
        return fn.reshape(rows, shape=[graph.selector.most_frames, px, px, 3], layout="FHWC")
    shape, square_from, square_to, order = resizing
    frames = fn.resize(
        fn.reshape(rows, shape=shape, layout="FHWC"),
        size=[px, px],
        roi_start=square_from,
        roi_end=square_to,
        interp_type=types.INTERP_LINEAR,
        antialias=True,
    )
    return fn.sequence_rearrange(frames, new_order=order)
