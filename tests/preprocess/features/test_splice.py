"""Frames taken out of a strip's bytes are the frames that the whole strip decodes to."""

import contextlib
import io

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from preprocess.errors import StripError
from preprocess.features.splice import count_frames, join, splice
from preprocess.features.strip import decode_strip
from tests.planes import encode_strip

SIZES = [(16, 16), (32, 50), (64, 86), (48, 18)]


def frames(n_frames, height, width, seed=0):
    """Half noise, half gradient: many bytes 0xFF in the blocks, and no frame like another."""
    noise = np.random.default_rng(seed).integers(0, 256, (n_frames, height, width, 3))
    ramp = np.arange(width)[None, None, :, None] * 255 // width + 37 * np.arange(n_frames)[:, None, None, None]
    return ((noise + ramp % 256) // 2).astype(np.uint8)


def decode_smoothed(strip, n_frames):
    """As DALI decodes: colour interpolated between rows, over the border of two frames as well; these rows taken away."""
    rows = simplejpeg.decode_jpeg(strip, fastdct=False, fastupsample=False)
    return rows.reshape(n_frames, -1, *rows.shape[1:])[:, 1:-1]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SIZES), st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(60, 100), st.booleans()
)
def test_any_choice_of_frames_decodes_to_the_same_pixels_as_in_the_whole_strip(size, chosen, quality, as_array):
    strip = encode_strip(frames(21, *size), quality)
    part = splice(np.frombuffer(strip, np.uint8).data if as_array else strip, chosen)
    assert np.array_equal(decode_strip(part, len(chosen)), decode_strip(strip, 21)[chosen])
    assert np.array_equal(decode_smoothed(part, len(chosen)), decode_smoothed(strip, 21)[chosen])


def test_a_spliced_strip_can_be_spliced_and_all_frames_in_order_are_the_strip_itself():
    strip = encode_strip(frames(12, 32, 40), 90)
    assert splice(strip, range(12)) == strip
    assert splice(splice(strip, [9, 2, 5, 11]), [3, 1]) == splice(strip, [11, 2])
    assert (count_frames(strip), count_frames(splice(strip, [4]))) == (12, 1)


@pytest.mark.parametrize("asked", [[], [3, 12], [-1]])
def test_frames_that_a_strip_has_not(asked):
    with pytest.raises(StripError, match="12 frames cannot give"):
        splice(encode_strip(frames(12, 16, 16), 90), asked)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda strip: b"", "not a JPEG"),
        (lambda strip: b"\x89PNG" + strip, "not a JPEG"),
        (lambda strip: strip[:40], "header does not end"),
        (
            lambda strip: simplejpeg.encode_jpeg(simplejpeg.decode_jpeg(strip), 90, colorsubsampling="420"),
            "restart marker at",
        ),
        (lambda strip: strip[: len(strip) // 2], "do not add up to its size"),
        (lambda strip: strip.replace(b"\xff\xd1", b"\xff\xd5"), "out of order|do not lie where"),
        (lambda strip: strip.replace(b"\xff\xd2", b""), "do not add up to its size"),
    ],
)
def test_other_pictures_and_damaged_ones_are_typed_errors(damage, named):
    strip = damage(encode_strip(frames(4, 32, 40), 90))
    for ask in (count_frames, lambda data: splice(data, range(4))):
        with pytest.raises(StripError, match=named):
            ask(strip)


def test_frames_are_taken_out_without_a_look_at_the_others_and_a_count_looks_at_all():
    strip = encode_strip(frames(4, 32, 40), 90)
    damaged = bytearray(strip)
    damaged[strip.index(b"\xff\xd2") - 9 :] = bytes(len(strip) - strip.index(b"\xff\xd2") + 9)  # from frame 2 on
    assert splice(damaged, [1, 0]) == splice(strip, [1, 0])
    for ask in (count_frames, lambda data: splice(data, [2])):
        with pytest.raises(StripError, match="damaged JPEG"):
            ask(damaged)


def test_other_programs_read_a_strip_and_the_lengths_in_it():
    strip = encode_strip(frames(3, 32, 40), 90)
    at = strip.index(b"\xff\xe9")
    size = int.from_bytes(strip[at + 2 : at + 4], "big")
    lengths = np.frombuffer(strip[at + 4 + len(b"avtempo\0") : at + 2 + size], ">u4")
    first, second = strip.index(b"\xff\xd0"), strip.index(b"\xff\xd1")
    scan = at + 2 + size
    coded = scan + 2 + int.from_bytes(strip[scan + 2 : scan + 4], "big")
    assert lengths.tolist() == [first - coded, second - first - 2, len(strip) - 2 - second - 2]
    with Image.open(io.BytesIO(strip)) as picture:
        rows = np.asarray(picture.convert("RGB"), int)
    assert np.abs(rows - simplejpeg.decode_jpeg(strip)).max() <= 2, "decoders round in ways of their own"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mutated_strips_raise_nothing_but_strip_errors(data):
    strip = bytearray(encode_strip(frames(3, 16, 16), 80))
    for _ in range(data.draw(st.integers(1, 8))):
        strip[data.draw(st.integers(0, len(strip) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(StripError):
        splice(bytes(strip[: data.draw(st.integers(0, len(strip)))]), [0, 2])


def test_frames_that_are_no_frames_of_one_strip():
    small, large, marked = (
        simplejpeg.encode_jpeg(np.zeros((16, side, 3), np.uint8), 90, colorsubsampling="420") for side in (16, 32, 16)
    )
    for pictures, words in (
        ([], "needs a frame"), ([small, large], "one size"), ([join([small, marked])], "without restart markers"),
        ([b"nothing of the kind"], "not a JPEG"),
    ):  # fmt: skip
        with pytest.raises(StripError, match=words):
            join(pictures)
    assert splice(join([small, marked, small]), [1]) == splice(join([small]), [0])
