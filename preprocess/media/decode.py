"""One ffmpeg process a source: frames at a constant rate and mono audio, on one clock that starts with the container.

ffmpeg writes raw frames and samples into two unlinked temporary files, which are then mapped into memory. So the length
need not be known in advance, no pipe can block, and a three-hour source takes disk space ($TMPDIR), not memory.
"""

import contextlib
import dataclasses
import functools
import shutil
import signal
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import ffmpeg
import numpy as np

from preprocess.errors import DiskFullError, MediaError, MediaLimitError
from preprocess.media.ffmpeg import cause, is_out_of_space, run_ffmpeg
from preprocess.media.frame_filters import deinterlaced, filter_text, fitted
from preprocess.media.media_info import Decoded, Limits, MediaInfo
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.schema import FRAME_HEIGHT_MULTIPLE_PX, MAX_ASPECT_RATIO, ShardParams

HARD_COMPENSATION_SECONDS = 0.04
"""Gaps and overlaps of audio beyond this are filled or dropped; ffmpeg's 0.1 s would be more than a frame."""
ASSUMED_BYTES_PER_SECOND = 50_000
"""Assumed if the header gives no duration, for the time limit: 0.4 Mbit/s."""
SHORTFALL_SECONDS = 0.5
"""Missing at the end before it is worth a warning; streams of one file often differ by less."""
_AUDIO_RESTARTED = "[f32le] Application provided invalid, non monotonically increasing dts"
"""ffmpeg's line after it rebuilt the audio's filters, which then fill up with silence from second 0 again."""
SPACE_SHARE = 0.8
"""Share of the free temporary space that one source may fill."""


def frame_size_px(info: MediaInfo, params: ShardParams) -> tuple[int, int]:
    """(width, height) of the frames to store: the short side is `short_side_px`, heights are whole JPEG blocks.

    Rotation and non-square samples are applied first. Frames longer than MAX_ASPECT_RATIO are squeezed to it.
    """
    aspect = min(max(info.aspect_ratio, 1 / MAX_ASPECT_RATIO), MAX_ASPECT_RATIO)
    short = params.short_side_px
    if aspect >= 1:
        return 2 * round(short * aspect / 2), short
    blocks = round(short / aspect / FRAME_HEIGHT_MULTIPLE_PX)
    return short, FRAME_HEIGHT_MULTIPLE_PX * blocks


def decode(path: Path, params: ShardParams, limits: Limits | None = None) -> Decoded:
    """Decode a source onto the constant-rate clock of `params`.

    Frame i is the image on screen in the middle of its time, (i + 0.5) / fps seconds after the container's start. The
    first image also fills the time before it. Gaps of audio become silence; audio is cut or padded to the frames'
    length. A source that ends early is used as far as it goes, and `Decoded.warnings` says so.

    Raises:
        MediaError: it cannot be decoded, or lacks the stream that `params.media` needs; the subclasses say more.
        DiskFullError: there was no space left for the temporary files.
    """
    limits = limits or Limits()
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(path, limits))
        info = probe_file(source, path, limits)
        if params.media == "video" and not (info.has_video and info.width_px and info.height_px):
            raise MediaError(path, "no video stream that can be decoded")
        if params.media == "audio" and not info.has_audio:
            raise MediaError(path, "no audio stream that can be decoded")
        job = _Job(path, source, _spool(stack), _spool(stack), info, params, limits)
        return _collect(job, _run(job))


@dataclasses.dataclass(frozen=True)
class _Job:
    """One source for ffmpeg; ffmpeg writes the files `frames` and `samples`."""

    path: Path
    source: BinaryIO
    frames: BinaryIO
    samples: BinaryIO
    info: MediaInfo
    params: ShardParams
    limits: Limits

    @functools.cached_property
    def size_px(self) -> tuple[int, int]:
        return frame_size_px(self.info, self.params) if self.params.media == "video" else (0, 0)

    @functools.cached_property
    def longest_seconds(self) -> float:
        """Second at which decoding stops: a few bytes with wild timestamps must not become 20 GB of repeated frames."""
        width, height = self.size_px
        bytes_per_second = width * height * 3 // 2 * self.params.fps + 4 * self.params.sample_rate_hz
        free_seconds = SPACE_SHARE * shutil.disk_usage(tempfile.gettempdir()).free / bytes_per_second
        longest = min(self.limits.max_duration_seconds, free_seconds)
        return min(longest, 60 + 1.25 * self.info.duration_seconds) if self.info.duration_seconds else longest

    @property
    def timeout_seconds(self) -> float:
        seconds = self.info.duration_seconds or self.source.seek(0, 2) / ASSUMED_BYTES_PER_SECOND
        return self.limits.timeout_seconds + self.limits.timeout_factor * min(seconds, self.longest_seconds)


def _spool(stack: contextlib.ExitStack) -> BinaryIO:
    """Open a temporary file without a name."""
    try:
        return cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
    except OSError as error:
        raise DiskFullError(Path(tempfile.gettempdir()), f"no temporary file ({error.strerror}); set TMPDIR") from error


def _command(job: _Job) -> Any:
    """Compose ffmpeg's outputs: one input, explicit maps, both outputs cut at the same second."""
    media = media_input(job.source, job.info, max_pixels=job.limits.max_pixels)
    outputs = []
    if job.params.media == "video":
        outputs.append(_frames(media[str(job.info.video_stream)], job))
    if job.info.has_audio:
        outputs.append(_samples(media[str(job.info.audio_stream)], job))
    return ffmpeg.merge_outputs(*outputs).global_args("-filter_threads", "1")


def _frames(stream: Any, job: _Job) -> Any:
    """Video branch.

    ffmpeg rebuilds the filters when the size or pixel format changes, so no filter may count from the start. The output's
    constant rate keeps the clock and fills it up to the first image.
    """
    # round=near: output i takes the last image with time < (i + 0.5) / fps, the one on screen in the frame's middle.
    # A source shorter than half a frame would come out empty with eof_action=round.
    is_short = job.info.duration_seconds is not None and job.info.duration_seconds * job.params.fps < 2
    rate = str(Fraction(job.params.fps).limit_denominator(100_000))
    filters = [
        *deinterlaced(job.info),
        # The constant rate would repeat the last image of the first frame's time, not the first of all.
        filter_text("setpts", expr=f"'if(eq(N,0)*gte(T,0)*lt(T,{2 / job.params.fps:.6f}),0,PTS)'"),
        filter_text("fps", fps=rate, round="near", eof_action="pass" if is_short else "round"),
        *fitted(job.info, *job.size_px),
        "trim=start_pts=0",  # an image before second 0 would count as the first, and delay all others
    ]
    return stream.output(
        f"pipe:{job.frames.fileno()}",
        format="rawvideo",
        vf=",".join(filters),
        r=rate,
        fps_mode="cfr",
        threads=1,  # else an encoder, which copies bytes here, starts a thread a processor
        t=f"{job.longest_seconds:.3f}",
        flush_packets=0,  # one write per full buffer, not per image
    )


def _samples(stream: Any, job: _Job) -> Any:
    """Audio branch; rematrix_maxval=1: a stereo tone makes a mono tone as loud, not one 3 dB louder."""
    resampling = {"async": 1, "first_pts": 0, "min_hard_comp": HARD_COMPENSATION_SECONDS, "rematrix_maxval": 1}
    filters = [filter_text("aresample", sample_rate=job.params.sample_rate_hz, **resampling)]
    filters.append("aformat=sample_fmts=flt:channel_layouts=mono")
    return stream.output(
        f"pipe:{job.samples.fileno()}",
        format="f32le",
        af=",".join(filters),
        t=f"{job.longest_seconds:.3f}",
        flush_packets=0,
    )


def _run(job: _Job) -> str:
    """Run ffmpeg; return its warnings."""
    descriptors = [job.source.fileno(), job.frames.fileno(), job.samples.fileno()]
    try:
        status, words = run_ffmpeg(_command(job), pass_fds=descriptors, timeout_seconds=job.timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise MediaLimitError(job.path, f"decoding took more than {job.timeout_seconds:.0f} s") from error
    if status == 0:
        if _AUDIO_RESTARTED in words:
            remedy = "make it uniform first: ffmpeg -i IN -c:v copy -ar 48000 -ac 2 OUT"
            raise MediaError(job.path, f"its audio changes rate or channels in mid-stream; {remedy}")
        return words
    if is_out_of_space(words) or status == -signal.SIGXFSZ:  # the latter: over the process's file-size limit
        raise DiskFullError(Path(tempfile.gettempdir()), "no space left for decoded frames; free some or set TMPDIR")
    if status < 0:
        raise MediaError(job.path, f"ffmpeg was killed by signal {-status}")
    raise MediaError(job.path, cause(words) or f"ffmpeg left with status {status}")


def _collect(job: _Job, words: str) -> Decoded:
    """Map ffmpeg's output into memory, and bring the audio to exactly the frames' length."""
    width, height = job.size_px
    n_samples = job.samples.seek(0, 2) // 4
    if job.params.media == "video":
        n_frames = job.frames.seek(0, 2) // (width * height * 3 // 2)
    else:
        n_frames = int(n_samples / job.params.samples_per_frame + 0.5) or int(n_samples > 0)
    if n_frames == 0:
        raise MediaError(job.path, cause(words) or "nothing could be decoded")
    if n_frames >= int(job.longest_seconds * job.params.fps):
        reason = f"goes on for more than {job.longest_seconds:.0f} s: over the limit, its header or the space in TMPDIR"
        raise MediaLimitError(job.path, reason)
    planes = waveform = None
    if job.params.media == "video":
        planes = np.memmap(job.frames, np.uint8, "r", shape=(n_frames, height * 3 // 2, width))
    if n_samples:
        job.samples.truncate(4 * n_frames * job.params.samples_per_frame)  # cuts, or pads with zeros
        waveform = np.memmap(job.samples, np.float32, "r", shape=(n_frames * job.params.samples_per_frame,))
    info = dataclasses.replace(job.info, has_audio=n_samples > 0)
    return Decoded(n_frames, planes, waveform, info, _with_shortfall(words, n_frames / job.params.fps, info))


def _with_shortfall(words: str, seconds: float, info: MediaInfo) -> str:
    """Add a note if less was decoded than the header states."""
    if info.duration_seconds is None or seconds > info.duration_seconds - SHORTFALL_SECONDS:
        return words
    note = f"decoded {seconds:.1f} s of {info.duration_seconds:.1f} s"
    return f"{words}; {note}" if words else note
