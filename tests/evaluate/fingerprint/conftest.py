import numpy as np
import pytest

from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.index.library import build_library
from preprocess.executors.processes import SerialExecutor
from tests.preprocess.made_media import write_clip

DIMS, HOP, CLIP, KNOT = 32, 0.5, 1.8, 0.8


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class Signal:
    """A source whose vector moves smoothly through random directions, a new one every 0.8 s."""

    def __init__(self, seed, seconds):
        self.knots = unit(np.random.default_rng(seed).normal(size=(int(seconds / KNOT) + 8, DIMS)))

    def at(self, seconds):
        place = np.clip(np.asarray(seconds) / KNOT, 0, len(self.knots) - 2)
        whole, part = place.astype(int), (place % 1)[:, None]
        return unit((1 - part) * self.knots[whole] + part * self.knots[whole + 1])


def describe(name, at, seconds, *, audio=None, noise=0.0, video=True, hop=HOP):
    """Descriptors at a fixed hop of vectors at(t); `audio` likewise, `video=False` for a black source."""
    start = np.arange(0, max(seconds - CLIP, 0) + 1e-9, hop)
    shape = (len(start), DIMS)
    has_audio, middle = audio is not None, start + CLIP / 2
    vectors = unit(at(middle) + noise * np.random.default_rng(len(name)).normal(size=shape) / np.sqrt(DIMS))
    return Descriptors(
        name, start, start + CLIP, np.full(len(start), video), np.full(len(start), has_audio),
        vectors if video else np.zeros(shape, np.float32), audio(middle) if has_audio else None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def matcher():
    """30 references of 40 s with video and audio, and no background."""
    references = [describe(f"r{i}", Signal(i, 40).at, 40, audio=Signal(1000 + i, 40).at) for i in range(30)]
    return Matcher(build_library(references, HOP))


def answered(matcher, query):
    return matcher.answer(query, matcher.match(query))


def write_video(path, seed, seconds=3.0, *, audio=True, is_black=False):
    """A real video of 48x32 px and 16 fps: blocks that change twice a second, with a tone that does too."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (int(2 * seconds) + 1, 4, 6, 3)).astype(np.uint8) * (not is_black)
    frames = blocks[(np.arange(int(16 * seconds)) / 8).astype(int)].repeat(8, 1).repeat(8, 2)
    tones = rng.integers(200, 4000, len(blocks)).repeat(8000)[: int(16000 * seconds)]
    return write_clip(path, frames, 16, audio * 0.3 * np.sin(np.cumsum(2 * np.pi * tones / 16000)))


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Three videos of 3 s in two folders, and one that is no video."""
    root = tmp_path_factory.mktemp("archive")
    (root / "news").mkdir()
    for seed, name in enumerate(("a.mp4", "b.mp4", "news/c.mp4")):
        write_video(root / name, seed)
    (root / "broken.mp4").write_bytes(b"no video at all" * 100)
    return root


@pytest.fixture
def encoder(make_checkpoint, tmp_path):
    return load_encoder(make_checkpoint(tmp_path / "encoder.pt"))


@pytest.fixture(scope="session")
def shipped_encoder():
    return load_encoder(SHIPPED_ENCODER)


@pytest.fixture
def here():
    """Decode in this process."""
    return SerialExecutor()
