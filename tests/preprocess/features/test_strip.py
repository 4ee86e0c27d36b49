import numpy as np
import pytest
import simplejpeg

from preprocess.errors import StripError
from preprocess.features.splice import count_frames
from preprocess.features.strip import decode_strip, encode_planes
from preprocess.media.planes import split, to_rgb
from tests.planes import encode_strip, from_rgb


def smooth_frames(n_frames: int, height: int = 64, width: int = 86) -> np.ndarray:
    """Coloured gradients that differ from frame to frame."""
    y, x = np.mgrid[0:height, 0:width]
    frames = [np.stack([x * 2, y * 3, np.full_like(x, 20 * i)], axis=-1) for i in range(n_frames)]
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 60, 64, 3), "multiple of 16"),
        ((300, 64, 16, 3), "do not fit into 16384 px"),
        ((1, 1024, 16_384, 3), "more than 65535 blocks"),
    ],
)
def test_frames_that_do_not_fit(shape, words):
    with pytest.raises(StripError, match=words):
        encode_planes(np.zeros((shape[0], shape[1] * 3 // 2, shape[2]), np.uint8), 90)


def test_damaged_and_foreign_strips():
    data = encode_strip(smooth_frames(4), 90)
    grey = simplejpeg.encode_jpeg(np.zeros((64, 64, 1), np.uint8), colorspace="GRAY")
    bomb = bytearray(data)
    size_at = data.index(b"\xff\xc0") + 5  # start of frame: marker, length, precision, then height and width
    bomb[size_at : size_at + 4] = b"\xfe\x00\xfe\x00"
    for strip, n_frames, words in (
        (b"nothing of the kind", 4, "not a JPEG"), (data[: len(data) // 2], 4, None), (data, 3, "does not hold"),
        (data, 0, "does not hold"), (grey, 1, "grey"), (bytes(bomb), 4, "over the limit"),
    ):  # fmt: skip
        with pytest.raises(StripError, match=words):
            decode_strip(strip, n_frames)


@pytest.mark.parametrize("width", [64, 86, 170])
def test_round_trip(width):
    frames = smooth_frames(10, width=width)
    strip = encode_planes(from_rgb(frames), 95)
    assert count_frames(strip) == 10
    assert np.abs(decode_strip(strip, 10).astype(int) - frames).mean() < 2


def test_planes_are_the_picture():
    frames = smooth_frames(3)
    assert np.abs(to_rgb(from_rgb(frames)).astype(int) - frames).max() < 12
    y, cb, cr = split(from_rgb(np.full((1, 32, 48, 3), (255, 0, 0), np.uint8))[0])
    assert (y.shape, cb.shape, cr.shape) == ((32, 48), (16, 24), (16, 24))
    for plane, value in ((y, 76), (cb, 85), (cr, 255)):  # JFIF 1.02's red
        np.testing.assert_allclose(plane, value, atol=1)
