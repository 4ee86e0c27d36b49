"""The DALI loader against a slow reader on real shards."""

import io
import tarfile

import numpy as np
import pytest
import simplejpeg
import torch

from preprocess.shards.manifest import read_segments
from tests.processes import run
from tests.train.conftest import SMALL, loading
from train.data.loader import SegmentLoader, iterate_once

FLOOR = float(np.log(1e-8))


def slow_reader(shards):
    """segment_id -> (frames, log-mel, has_audio, label), with tarfile, simplejpeg and numpy."""
    found = {}
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
        for name in (n for n in members if n.endswith(".json")):
            key = name.removesuffix(".json")
            meta = np.load(io.BytesIO(members[f"{key}.meta.npy"]), allow_pickle=False)
            n_frames, height, width = (int(number) for number in meta[2:5])
            # As DALI decodes: chroma interpolated between rows, across the border of two frames as well, whose rows are
            # therefore not handed over.
            strip = simplejpeg.decode_jpeg(members[f"{key}.frames.jpg"], fastdct=False, fastupsample=False)
            frames = strip.reshape(n_frames, height, width, 3).copy()
            frames[:, 0], frames[:, -1] = frames[:, 1], frames[:, -2]
            logmel = np.load(io.BytesIO(members[f"{key}.logmel.npy"]), allow_pickle=False).astype(np.float32)
            found[int(meta[0])] = (frames, logmel, bool(meta[6]), int(meta[1]))
    return found


def beside(batches, truth):
    """Each row of the batches, (batch, row), and what the slow reader says of its segment."""
    for batch in batches:
        for row, segment in enumerate(batch.segment_id.tolist()):
            yield batch, row, *truth[segment]


def test_every_segment_once_in_manifest_order_and_equal_to_a_slow_reader(small_shards):
    batches = list(iterate_once(loading(small_shards)))
    assert [len(b) for b in batches] == [5] * 9 + [3]
    for batch, i, frames, logmel, has_audio, label in beside(batches, slow_reader(small_shards)):
        n = len(frames)
        assert (int(batch.n_frames[i]), bool(batch.has_audio[i]), int(batch.label[i])) == (n, has_audio, label)
        columns = n * SMALL.columns_per_frame
        assert torch.equal(batch.logmel[i, :, :columns], torch.as_tensor(logmel))
        assert (batch.logmel[i, :, columns:] == torch.tensor(FLOOR).half()).all(), "as silence is stored"
        assert (batch.frames[i, n:] == batch.frames[i, n - 1]).all()
    seen = [segment for batch in batches for segment in batch.segment_id.tolist()]
    assert seen == read_segments(small_shards)["segment_id"].tolist()


def test_another_size_is_the_square_resized(small_shards):
    for batch, i, frames, *_ in beside(iterate_once(loading(small_shards, frame_px=16)), slow_reader(small_shards)):
        n, (top, left) = len(frames), ((side - 32) // 2 for side in frames.shape[1:3])
        square = torch.as_tensor(frames[:, top : top + 32, left : left + 32]).permute(0, 3, 1, 2).float()
        small = torch.nn.functional.interpolate(square, size=(16, 16), mode="bilinear", antialias=True)
        assert batch.frames.shape[1:] == (8, 16, 16, 3)
        off = (batch.frames[i, :n].permute(0, 3, 1, 2) - small).abs()
        assert off[..., 1:-1, 1:-1].max() <= 1
        assert off.max() <= 4  # at the square's edge DALI's filter looks at the picture beyond it
        assert (batch.frames[i, n:] == batch.frames[i, n - 1]).all()


def test_training_squares_lie_inside_the_frames(small_shards):
    loader, places = SegmentLoader(loading(small_shards, batch_size=6, shuffle=True)), set()
    for batch, i, frames, *_ in beside((next(loader) for _ in range(8)), slow_reader(small_shards)):
        corners = [(y, x) for y in range(frames.shape[1] - 31) for x in range(frames.shape[2] - 31)]
        given = batch.frames[i, : len(frames)].numpy()
        found = [(y, x) for y, x in corners if np.array_equal(frames[:, y : y + 32, x : x + 32], given)]
        assert found
        places.add(found[0])
    assert len({y for y, _ in places}) > 3
    assert len({x for _, x in places}) > 3


def test_windows_of_long_segments_lie_inside_and_sound_goes_with_them(small_shards):
    loader = SegmentLoader(loading(small_shards, batch_size=6, shuffle=True, window_frames=4))
    starts, c = set(), SMALL.columns_per_frame
    for batch, i, frames, logmel, *_ in beside((next(loader) for _ in range(8)), slow_reader(small_shards)):
        assert batch.frames.shape == (6, 4, 32, 32, 3)
        start = int(batch.window_start_frame[i])
        starts.add(start)
        assert 0 <= start <= len(frames) - 4
        assert torch.equal(batch.logmel[i], torch.as_tensor(logmel[:, start * c : (start + 4) * c]))
    assert len(starts) > 1


@pytest.mark.slow
def test_memory_does_not_grow_over_many_batches(small_shards):
    code = (
        "import resource, sys\n"
        "from train.config.clip_config import ClipConfig\n"
        "from train.data.loader import SegmentLoader\n"
        "from train.data.loader_config import LoaderConfig\n"
        "from train.plans.clip_planners import TwoViews\n"
        "clips = TwoViews(ClipConfig(n_frames=3, speeds=(1, 2)))\n"
        "loader = SegmentLoader(LoaderConfig(sys.argv[1], 6, 32, 8, True, 0, 1, clips=clips))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "for i in range(2500):\n"
        "    next(loader)\n"
        "    if i == 500: before = peak()\n"
        "print(peak() - before)\n"
    )
    assert int(run("-c", code, small_shards).stdout) < 20  # MiB
