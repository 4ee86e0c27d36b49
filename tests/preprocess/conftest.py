"""Real media made on the spot with the bundled ffmpeg."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams
from tests.preprocess.whole_run import build_folder

COUNTER_BITS = 8
RATE_HZ = 16_000


def _run(*arguments: object, stdin: bytes | None = None) -> None:
    command = [ffmpeg_executable(), "-hide_banner", "-nostdin" if stdin is None else "-y", "-v", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], input=stdin, check=True)


def _write_clip(
    path: Path,
    frames: np.ndarray | None = None,
    fps: float = 25,
    sound: np.ndarray | None = None,
    *,
    output: tuple = (),
    video_codec: str = "libx264",
    audio_codec: str = "aac",
) -> Path:
    """Write frames (T, H, W, 3) uint8 and audio (N,) or (N, 2) float32 at 16 kHz; the codecs' losses are small."""
    inputs: list[object] = []
    coding: list[object] = []
    if frames is not None:
        raw = path.parent / "frames.raw"
        raw.write_bytes(frames.tobytes())
        size = f"{frames.shape[2]}x{frames.shape[1]}"
        inputs += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", fps, "-i", f"file:{raw}"]
        coding += ["-map", "0:v", "-c:v", video_codec]
        if video_codec == "libx264":
            coding += ["-preset", "ultrafast", "-crf", 12]
            coding += [] if "-pix_fmt" in output else ["-pix_fmt", "yuv420p"]
    if sound is not None:
        raw = path.parent / "sound.raw"
        raw.write_bytes(sound.astype("<f4").tobytes())
        channels = 1 if sound.ndim == 1 else sound.shape[1]
        inputs += ["-f", "f32le", "-ar", RATE_HZ, "-ac", channels, "-i", f"file:{raw}"]
        coding += ["-map", f"{0 if frames is None else 1}:a", "-c:a", audio_codec]
        coding += ["-b:a", "128k"] if audio_codec == "aac" else []
    _run(*inputs, *coding, *output, f"file:{path}")
    return path


def _counter_frames(n_frames: int, height: int = 96, width: int = 160) -> np.ndarray:
    """Frames whose number stands in them as eight bright or dark bars, (n, height, width, 3) uint8."""
    frames = np.full((n_frames, height, width, 3), 128, np.uint8)
    bar = width // COUNTER_BITS
    for number in range(n_frames):
        for bit in range(COUNTER_BITS):
            frames[number, :, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 20
    return frames


def _read_counter(frame: np.ndarray) -> int:
    bar = frame.shape[1] / COUNTER_BITS
    row = frame[frame.shape[0] // 2, :, 1]
    return sum(int(row[int((bit + 0.5) * bar)] > 127) << bit for bit in range(COUNTER_BITS))


@pytest.fixture(scope="session")
def run_ffmpeg() -> Callable[..., None]:
    """Call ffmpeg with arguments; raises when it fails."""
    return _run


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    return _write_clip


@pytest.fixture(scope="session")
def counter_frames() -> Callable[..., np.ndarray]:
    return _counter_frames


@pytest.fixture(scope="session")
def read_counter() -> Callable[[np.ndarray], int]:
    return _read_counter


@pytest.fixture(scope="session")
def small_params() -> ShardParams:
    """12.5 frames/s, four log-mel columns a frame, 64 px."""
    return ShardParams(short_side_px=64)


@pytest.fixture(scope="session")
def tone() -> Callable[..., np.ndarray]:
    def make(seconds: float, hz: float = 1000.0, amplitude: float = 0.1) -> np.ndarray:
        time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def ordinary_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 50 counted frames, a 1 kHz tone; moov at the end of the file."""
    time = np.arange(2 * RATE_HZ) / RATE_HZ
    sound = (0.1 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    return _write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", _counter_frames(50), 25, sound)


@pytest.fixture(scope="session")
def clips(tmp_path_factory, write_clip, counter_frames, tone) -> Path:
    """Five sources in three shards of two: sound, no audio, one that is no video, two segments, one segment."""
    folder = tmp_path_factory.mktemp("clips")
    work = tmp_path_factory.mktemp("raw")
    made = {
        "a sound.mp4": write_clip(work / "a.mp4", counter_frames(25, 48, 64), 25, tone(1.0)),
        "b/mute.mp4": write_clip(work / "b.mp4", counter_frames(25, 48, 64), 25),
        "d.mkv": write_clip(work / "d.mkv", counter_frames(40, 48, 64), 25, tone(1.6, 440)),
        "e.mp4": write_clip(work / "e.mp4", counter_frames(10, 64, 48), 25, tone(0.4, 3000)),
    }
    for name, path in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        path.rename(folder / name)
    (folder / "c.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="session")
def reference(clips, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "shards"
    build_folder(clips, out)
    return out
