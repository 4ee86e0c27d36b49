"""A small clip that follows from a few numbers: coloured blocks that change twice a second, and a tone that does too."""

import io
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

RATE_HZ = 16_000
_TICKS_A_SECOND = 1000
_CHANGES_A_SECOND = 2


@dataclass(frozen=True)
class Look:
    """How a clip is written.

    Attributes:
        container: of PyAV, such as "mp4".
        codec: of the picture; None for sound alone.
        sound: codec of the sound; None for a clip without a sound track.
        size_px: (width, height).
        seconds: length of the picture.
        sound_seconds: length of the sound; None for as long as the picture.
        fps: frames a second; with `is_variable` that many on average.
        is_variable: frames come at uneven times.
        is_silent: the sound track holds zeros.
        pixels: pixel format.
    """

    container: str = "mp4"
    codec: str | None = "libx264"
    sound: str | None = "aac"
    size_px: tuple[int, int] = (64, 48)
    seconds: float = 1.0
    sound_seconds: float | None = None
    fps: int = 15
    is_variable: bool = False
    is_silent: bool = False
    pixels: str = "yuv420p"


def write_clip(look: Look, rng: np.random.Generator) -> bytes:
    """Return the file's bytes; the same generator state gives the same bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format=look.container) as output:
        picture = _add_picture(output, look) if look.codec else None
        sound = output.add_stream(look.sound, rate=RATE_HZ, layout="mono") if look.sound else None
        if picture is not None:
            for frame in _frames(look, rng):
                output.mux(picture.encode(frame))
            output.mux(picture.encode())
        if sound is not None:
            for block in _blocks(look, rng, sound.frame_size or 1024):
                output.mux(sound.encode(block))
            output.mux(sound.encode())
    return file.getvalue()


def _add_picture(output: "av.container.OutputContainer", look: Look) -> "av.VideoStream":
    options = {"preset": "ultrafast", "crf": "30"} if look.codec == "libx264" else {}
    stream = output.add_stream(look.codec, rate=look.fps, options=options)
    stream.width, stream.height = look.size_px
    stream.pix_fmt = look.pixels
    stream.thread_count = 1  # the number of threads must not decide the bytes
    if look.is_variable:
        stream.codec_context.time_base = Fraction(1, _TICKS_A_SECOND)
    return stream


def _frames(look: Look, rng: np.random.Generator) -> "list[av.VideoFrame]":
    width, height = look.size_px
    n_frames = max(1, round(look.seconds * look.fps))
    changes = rng.integers(0, 256, (int(look.seconds * _CHANGES_A_SECOND) + 1, 4, 6, 3)).astype(np.uint8)
    times = np.arange(n_frames) / look.fps
    if look.is_variable:
        times[1:] += rng.uniform(-0.4, 0.4, n_frames - 1) / look.fps
    frames = []
    for number, seconds in enumerate(times):
        blocks = changes[int(max(seconds, 0) * _CHANGES_A_SECOND) % len(changes)]
        tall = np.resize(
            blocks.repeat(-(-height // 4), 0).repeat(-(-width // 6), 1)[:height, :width], (height, width, 3)
        )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(tall), "rgb24").reformat(format=look.pixels)
        frame.pts = round(seconds * _TICKS_A_SECOND) if look.is_variable else number
        frame.time_base = Fraction(1, _TICKS_A_SECOND if look.is_variable else look.fps)
        frames.append(frame)
    return frames


def _blocks(look: Look, rng: np.random.Generator, size: int) -> "list[av.AudioFrame]":
    n_samples = round((look.seconds if look.sound_seconds is None else look.sound_seconds) * RATE_HZ)
    hz = rng.uniform(200, 4000, int(n_samples / RATE_HZ * _CHANGES_A_SECOND) + 1)
    tone = 0.3 * np.sin(np.cumsum(2 * np.pi * hz.repeat(RATE_HZ // _CHANGES_A_SECOND)[:n_samples] / RATE_HZ))
    samples = ((0 if look.is_silent else 1) * tone * 32767).astype(np.int16)
    blocks = []
    for start in range(0, len(samples), size):
        block = av.AudioFrame.from_ndarray(samples[None, start : start + size], "s16", "mono")
        block.sample_rate, block.pts, block.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        blocks.append(block)
    return blocks
