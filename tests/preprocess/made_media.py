"""Real media made on the spot with the bundled ffmpeg."""

import itertools
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams

COUNTER_BITS = 8
RATE_HZ = 16_000
SMALL = ShardParams(short_side_px=64)
"""12.5 frames/s, four log-mel columns a frame, 64 px."""


def run_ffmpeg(*arguments: object) -> Path:
    """Call ffmpeg with arguments; raises when it fails. Returns the last argument, the file that was written."""
    command = [ffmpeg_executable(), "-hide_banner", "-nostdin", "-v", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True)
    return Path(str(arguments[-1]))


def write_clip(
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
    run_ffmpeg(*inputs, *coding, *output, f"file:{path}")
    for raw in ("frames.raw", "sound.raw"):
        (path.parent / raw).unlink(missing_ok=True)
    return path


def counter_frames(n_frames: int, height: int = 96, width: int = 160) -> np.ndarray:
    """Frames (n, height, width, 3) uint8 that show their number as eight bright or dark bars."""
    frames = np.full((n_frames, height, width, 3), 128, np.uint8)
    bar = width // COUNTER_BITS
    for number in range(n_frames):
        for bit in range(COUNTER_BITS):
            frames[number, :, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 20
    return frames


def read_counter(frame: np.ndarray) -> int:
    bar = frame.shape[1] / COUNTER_BITS
    row = frame[frame.shape[0] // 2, :, 1]
    return sum(int(row[int((bit + 0.5) * bar)] > 127) << bit for bit in range(COUNTER_BITS))


def tone(seconds: float, hz: float = 1000.0, amplitude: float = 0.1) -> np.ndarray:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def write_esc50(root: Path, names: Sequence[str], n_folds: int, seconds: float) -> None:
    """Write a tone in noise for each class and fold, in ESC-50's layout."""
    (root / "audio").mkdir(parents=True)
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold, (target, name) in itertools.product(range(1, n_folds + 1), enumerate(names)):
        file = f"{fold}-{fold}{target}-A-{target}.wav"
        lines.append(f"{file},{fold},{target},{name},False,{fold}{target},A")
        sound = tone(seconds, 200 * 2**target + 10 * fold)
        sound += np.random.default_rng(fold).normal(0, 0.01, sound.shape)
        write_clip(root / "audio" / file, sound=sound, audio_codec="pcm_s16le")
    (root / "esc50.csv").write_text("\n".join(lines) + "\n")
