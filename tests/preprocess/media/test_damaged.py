"""Damaged and mislabelled files, odd names, things that are not files: a typed error with a reason, or frames."""

import os
import pickle
import random
import struct
import zlib
from pathlib import Path

import pytest

from preprocess.errors import MediaError, MediaRefusedError
from preprocess.media.decode import decode
from preprocess.media.ffmpeg import cause, clean_words
from preprocess.media.probe import probe
from tests.preprocess.made_media import SMALL, counter_frames, read_counter, tone, write_clip


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda clip: b"", "empty file"),
        (lambda clip: b"This is not a video.\n" * 100, r"Invalid data|moov atom not found"),
        (lambda clip: random.Random(0).randbytes(20_000), r"Invalid data|moov atom not found"),
        (lambda clip: clip[: clip.rindex(b"moov") - 4], "moov atom not found"),
    ],
)
def test_contents_that_are_not_a_video(spoil, words, tmp_path, ordinary_clip):
    file = tmp_path / "a clip.mp4"
    file.write_bytes(spoil(ordinary_clip.read_bytes()))
    with pytest.raises(MediaError, match=words):
        decode(file, SMALL)


def test_a_few_kilobytes_that_claim_huge_images_are_refused(tmp_path):
    """A PNG of packed zeros in a QuickTime file, which says that it has 60,000 x 60,000 px."""
    clip = write_clip(tmp_path / "bomb.mov", counter_frames(2, 48, 64), 15, video_codec="png")
    data, small, large = clip.read_bytes(), struct.pack(">II", 64, 48), struct.pack(">II", 60_000, 60_000)
    at = data.index(b"IHDR")
    header = b"IHDR" + large + data[at + 12 : at + 17]
    data = data[:at] + header + struct.pack(">I", zlib.crc32(header)) + data[at + 21 :]
    clip.write_bytes(data.replace(small, large))
    with pytest.raises(MediaError, match="Invalid image size"):
        decode(clip, SMALL)


def test_truncated_file_is_used_as_far_as_it_goes(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", counter_frames(100), 25, tone(4.0), output=("-movflags", "+faststart"))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    decoded = decode(cut, SMALL)
    assert 10 < decoded.n_frames < 45
    assert [read_counter(frame) for frame in decoded.frames[:-2]] == [2 * i for i in range(decoded.n_frames - 2)]
    assert len(decoded.waveform) == decoded.n_frames * SMALL.samples_per_frame
    assert "decoded" in decoded.warnings
    assert "@ 0x" not in decoded.warnings
    assert decode(cut, SMALL).warnings == decoded.warnings


NAMES = [
    "with spaces.mp4", 'quote\'s "double".mp4', "new\nline.mp4", "Grüße 你好 🎬.mp4", "-leading-dash.mp4", "frame%03d.mp4",
    "http:colon.mp4", "back\\slash;semi|pipe,comma[0:v].mp4", "no extension", os.fsdecode(b"caf\xe9.mp4"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names(name, tmp_path, ordinary_clip, monkeypatch):
    (tmp_path / name).write_bytes(ordinary_clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        assert decode(path, SMALL).n_frames == 25


def test_what_is_no_file_to_read_is_refused_without_a_hang(tmp_path, ordinary_clip, nobody):
    fifo, link, secret = tmp_path / "fifo.mp4", tmp_path / "link.mp4", tmp_path / "secret.mp4"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), Path("/")):
        with pytest.raises(MediaRefusedError, match="not a regular file"):
            decode(path, SMALL)
    link.symlink_to(tmp_path / "nowhere.mp4")
    for path in (link, tmp_path / "nowhere.mp4"):
        with pytest.raises(MediaError, match="No such file"):
            probe(path)
    secret.write_bytes(ordinary_clip.read_bytes())
    secret.chmod(0)
    with nobody(), pytest.raises(MediaError, match="Permission denied"):
        decode(secret, SMALL)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(MediaRefusedError(Path("a.mp4"), "why")))  # noqa: S301 - our own bytes
    assert (type(error), error.path, error.reason) == (MediaRefusedError, Path("a.mp4"), "why")


def test_words_are_one_printable_line():
    words = clean_words(b"[mov @ 0x55aa] bad\n\x1b[31mred\nfile:/dev/fd/7: x\n[mov @ 0x66bb] bad\n\xff")
    assert words == "[mov] bad; \\x1b[31mred; file:the file: x; \ufffd"


LINES = [
    "[in#0/mov @ 0x1] [warning] Packet corrupt",
    "[h264 @ 0x2] [error] missing picture; bad",
    "[h264 @ 0x2] [error] concealing",
    "[vist#0:0/h264 @ 0x3] [dec:h264 @ 0x4] [error] Error submitting packet",
    "[Parsed_aresample_0 @ 0x5] [SWR @ 0x6] [error] Rematrix is needed",
    "[Parsed_aresample_0 @ 0x5] [error] Failed to configure",
    "[af#0:1 @ 0x7] [error] Error reinitializing filters!",
    "[out#0/rawvideo @ 0x8] [error] Nothing was written",
    "[fatal] Conversion failed!",
]


@pytest.mark.parametrize("seed", range(5))
def test_the_cause_comes_before_its_consequences_however_threads_mix(seed):
    order = random.Random(seed)
    threads = [LINES[:1], LINES[1:4], LINES[4:7], LINES[7:8]]
    mixed = []
    while any(threads):
        mixed.append(order.choice([thread for thread in threads if thread]).pop(0))
    text = "\n".join([*mixed, LINES[8]])
    words = clean_words(text)
    assert words.startswith("[in#0/mov] Packet corrupt; [h264] missing picture, bad; [h264] concealing; [vist")
    assert words.index("[SWR]") < words.index("Failed") < words.index("reinit") < words.index("Nothing")
    assert words.endswith("Conversion failed!")
    assert cause(clean_words(text, errors_first=True)) == "[h264] missing picture, bad"
