import numpy as np
import pytest

from evaluate.fingerprint.api import Index
from tests.preprocess.made_media import RATE_HZ, run_ffmpeg, write_clip

FPS = 16
INTRO = (777, 5.0)


def piece(seed, seconds):
    """Blocks that change twice a second, and noise whose spectrum does too."""
    rng, n = np.random.default_rng(seed), int(2 * seconds)
    blocks = rng.integers(0, 255, (n, 6, 9, 3)).astype(np.uint8)
    noise = np.fft.rfft(rng.normal(size=(n, RATE_HZ // 2)))
    bands = 10 ** rng.uniform(-2, 0, (n, 16))
    sound = np.fft.irfft(noise * bands.repeat(noise.shape[1] // 16 + 1, 1)[:, : noise.shape[1]])
    return blocks.repeat(FPS // 2, 0), (0.3 * sound).astype(np.float32).ravel()


def write_pieces(path, *pieces):
    """A real video of pieces (seed, seconds) after each other, 144x96."""
    frames, sounds = zip(*(piece(*each) for each in pieces), strict=True)
    return write_clip(path, np.concatenate(frames).repeat(16, 1).repeat(16, 2), FPS, np.concatenate(sounds))


PLANTED = {
    ("news/12.mp4", "web/small.mp4"), ("news/13.mp4", "web/part.mp4"), ("news/14.mp4", "web/mute.mp4"),
    ("news/15.mp4", "news/joined.mp4"),
}  # fmt: skip


@pytest.fixture(scope="session")
def indexed(tmp_path_factory):
    """24 videos and their index, which no test changes: ten share an intro, and there are four copies of other kinds."""
    root = tmp_path_factory.mktemp("made") / "videos"
    for folder in ("news", "web"):
        (root / folder).mkdir(parents=True)
    for number in range(20):
        pieces = [INTRO] if number < 10 else []
        write_pieces(root / "news" / f"{number:02d}.mp4", *pieces, (number, 8.0))
    coding = ["-c:v", "libx264", "-crf", "30", "-pix_fmt", "yuv420p"]
    run_ffmpeg("-i", root / "news/12.mp4", "-vf", "scale=96:64", *coding, "-c:a", "aac", root / "web/small.mp4")
    run_ffmpeg("-ss", 2, "-i", root / "news/13.mp4", "-t", 5, *coding, "-c:a", "aac", root / "web/part.mp4")
    run_ffmpeg("-i", root / "news/14.mp4", "-an", *coding, root / "web/mute.mp4")
    write_pieces(root / "news/joined.mp4", (15, 8.0), (99, 6.0))
    index = Index.open(root.with_name("index"))
    index.add(root)
    return root, index
