"""Circles stay round and colours keep their contrast, whatever container, rotation or change lies between."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.media.decode import decode
from preprocess.schema import ShardParams
from preprocess.viewing.stills import stills
from tests.preprocess.made_media import run_ffmpeg, write_clip

PARAMS = ShardParams(short_side_px=128)
WIDE = np.array([240, 400])


def circle(height: int, width: int, sample_aspect_ratio: float = 1.0, n_frames: int = 25) -> np.ndarray:
    """Frames (n_frames, height, width, 3) uint8: a bright disc, round where samples are that wide."""
    y, x = np.mgrid[:height, :width] - np.array([height - 1, width - 1])[:, None, None] / 2
    radius = 0.35 * min(height, width * sample_aspect_ratio)
    disc = (x * sample_aspect_ratio) ** 2 + y**2 < radius**2
    return np.broadcast_to(np.where(disc, 235, 60).astype(np.uint8)[None, :, :, None], (n_frames, height, width, 3))


def assert_round(frame: np.ndarray) -> None:
    """The rows of a frame (H, W, 3) that the disc covers are as many as its columns."""
    bright = frame[..., 1] > 150
    width, height = bright.any(0).sum(), bright.any(1).sum()
    assert width > 20
    assert abs(width - height) <= 2


ROWS, COLUMNS = b"\xbb\xaa", b"\xcc\xdd"
"""Ends of the names of Matroska's fields PixelCropTop and Bottom, Left and Right."""


def cropped(folder: Path, first: int, last: int, side: bytes = ROWS) -> Path:
    """A Matroska file of WIDE px whose header cuts rows or columns off: its fields for the display's shape become those."""
    anamorphic = ("-vf", "setsar=2", "-g", 5)
    path = write_clip(folder / "plain.mkv", circle(*WIDE), 25, output=anamorphic)
    data = path.read_bytes()
    at = data.index(b"\x54\xb0\x81")  # DisplayWidth, DisplayHeight, DisplayUnit, a byte each
    assert (data[at + 4 : at + 7], data[at + 8 : at + 11]) == (b"\x54\xba\x81", b"\x54\xb2\x81")
    fields = bytes([0x54, side[0], 0x81, first, 0x54, side[1], 0x81, last]) + b"\x54\xb2\x81\0"
    path = folder / "cropped.mkv"
    path.write_bytes(data[:at] + fields + data[at + len(fields) :])
    return path


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_containers_cropping_is_part_of_the_geometry(suffix, turn, tmp_path):
    rotation = ("-display_rotation", -turn) if turn else ()
    clip = run_ffmpeg(*rotation, "-i", cropped(tmp_path, 32, 32), "-c", "copy", tmp_path / f"clip.{suffix}")
    info = (decoded := decode(clip, PARAMS)).info
    assert (info.width_px, info.height_px, info.rotation_degrees) == (400, 176, turn)
    assert decoded.frames.shape[1:3] == ((288, 128) if turn else (128, 290))
    assert_round(decoded.frames[5])
    assert decoded.frames[5].min() > 40  # no borders


def test_columns_are_cropped_too(tmp_path):
    decoded = decode(cropped(tmp_path, 32, 48, COLUMNS), PARAMS)
    assert (decoded.info.width_px, decoded.info.height_px) == (320, 240)
    assert decoded.frames[5].min() > 40


def joined(folder: Path, suffix: str, *parts: tuple[np.ndarray, tuple]) -> Path:
    """One stream, a second of each part."""
    names = []
    for second, (frames, output) in enumerate(parts):
        codec = "libvpx" if suffix == "webm" else "libx264"
        names.append(write_clip(folder / f"{second}.{suffix}", frames, 25, video_codec=codec, output=output))
    listing = folder / "list.txt"
    listing.write_text("".join(f"file '{name}'\n" for name in names))
    return run_ffmpeg("-f", "concat", "-safe", 0, "-i", listing, "-c", "copy", folder / f"joined.{suffix}")


@pytest.mark.parametrize("other", [(400, 240), (240, 320), (120, 402)])
@pytest.mark.parametrize("suffix", ["ts", "webm"])
def test_a_shape_that_changes_gets_borders(suffix, other, tmp_path):
    clip = joined(tmp_path, suffix, (circle(*WIDE), ()), (circle(*other), ()), (circle(*WIDE), ()))
    decoded = decode(clip, PARAMS)
    assert decoded.frames.shape[1:3] == (128, 214)
    for number in (5, 20, 32):
        assert_round(decoded.frames[number])
    assert [decoded.frames[number].min() > 40 for number in (5, 20, 32)] == [True, False, True]


@pytest.mark.parametrize(
    ("size", "aspect", "turn"),
    [((241, 321), "1", 0), ((240, 180), "16/9", 0), ((240, 400), "2/3", 90), ((96, 640), "1", 0), ((640, 96), "1", 0)],
)
def test_odd_anamorphic_turned_and_long_sources(size, aspect, turn, tmp_path):
    top, _, bottom = aspect.partition("/")
    output = ("-vf", f"setsar={aspect}", "-pix_fmt", "yuv444p")
    plain = write_clip(tmp_path / "plain.mp4", circle(*size, int(top) / int(bottom or 1)), 25, output=output)
    clip = run_ffmpeg("-display_rotation", -turn, "-i", plain, "-c", "copy", tmp_path / "clip.mp4")
    if max(size) > 4 * min(size):  # squeezed on purpose
        assert sorted(decode(clip, PARAMS).frames.shape[1:3]) == [128, 512]
        return
    [still] = stills(clip, [0.5], PARAMS)
    frame = decode(clip, PARAMS).frames[6]
    assert_round(frame)
    assert still.shape[1] == frame.shape[1]


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("tags", [("-color_primaries", "bt2020", "-colorspace", "bt2020nc"), ()])
def test_high_dynamic_range_becomes_standard_range(transfer, tags, tmp_path):
    rng = np.random.default_rng(0)
    blocks = rng.integers(16, 235, (5, 6, 10, 3)).astype(np.uint8).repeat(32, 1).repeat(32, 2)
    standard = write_clip(tmp_path / "standard.mp4", blocks, 25)
    filters = (
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=smpte170m,zscale=t=linear:npl=203,format=gbrpf32le,"
        f"zscale=p=bt2020:t={transfer}:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    )
    if not tags:
        filters += ",setparams=color_primaries=unknown:colorspace=unknown"
    coding = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", 5, "-color_trc", transfer, *tags)
    hdr = run_ffmpeg("-i", standard, "-vf", filters, *coding, tmp_path / "hdr.mkv")
    plain, mapped = (decode(clip, PARAMS) for clip in (standard, hdr))
    assert mapped.info.is_hdr and not plain.info.is_hdr
    assert mapped.frames.std() == pytest.approx(plain.frames.std(), rel=0.15)  # without: half
    assert np.corrcoef(mapped.frames.ravel(), plain.frames.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", "mkv"), ("mpeg2video", "ts")])
def test_interlaced_edges_are_not_double(codec, suffix, tmp_path):
    frames = np.full((50, 128, 320, 3), 40, np.uint8)
    for number, frame in enumerate(frames):
        frame[:, 5 * number : 5 * number + 20] = 220  # a bar that moves by 5 px a field
    progressive = write_clip(tmp_path / "progressive.mkv", frames, 50)
    clip = tmp_path / f"clip.{suffix}"
    coding = ("-c:v", codec, "-flags", "+ildct+ilme", "-b:v", "8M")
    run_ffmpeg("-i", progressive, "-vf", "interlace=lowpass=0,setfield=tff", *coding, clip)
    decoded = decode(clip, PARAMS)
    assert decoded.info.is_interlaced
    assert not decode(progressive, PARAMS).info.is_interlaced
    rows = decoded.frames[4:9, 32:96, :, 1].astype(int)
    assert abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:]).mean() < 1  # both fields in one image: 11
