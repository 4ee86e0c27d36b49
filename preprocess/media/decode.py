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
from preprocess.media.ffmpeg import cause, run_ffmpeg
from preprocess.media.frame_filters import deinterlaced, filter_text, fitted
from preprocess.media.media_info import USUAL_LIMITS, Decoded, Limits, MediaInfo
from preprocess.media.mono import FIRST_CHANNEL, mix_filters, replace_cancelled
from preprocess.media.probe import media_input, open_source, probe_file
from preprocess.schema import FRAME_HEIGHT_MULTIPLE_PX, MAX_ASPECT_RATIO, ShardParams
from preprocess.temporary_folder import temporary_folder

HARD_COMPENSATION_SECONDS = 0.04
"""Gaps and overlaps of audio beyond this are filled or dropped; ffmpeg's 0.1 s would be more than a frame."""
ASSUMED_BYTES_PER_SECOND = 50_000
"""Assumed for the time limit, unless the header states a longer duration: 0.4 Mbit/s."""
LEAST_BYTES_PER_SECOND = 2_000
"""Of a source whose header may state too short a duration: 16 kbit/s, little for speech alone."""
COARSE_FRAMES = 2.9
"""Frames of the source per frame of the clock, from which some may be left out: of three, two are often not referred to."""
SHORTFALL_SECONDS = 0.5
"""Missing at the end of the source or of its video before it matters; streams of one file often differ by less."""
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


def decode(path: Path, params: ShardParams, limits: Limits = USUAL_LIMITS) -> Decoded:
    """Decode a source onto the constant-rate clock of `params`.

    Frame i is the image on screen in the middle of its time, (i + 0.5) / fps seconds after the container's start. The
    first image also fills the time before it. Gaps of audio become silence; audio is cut or padded to the frames'
    length, and the last image is held while the audio goes on. A source that ends early, or whose audio cannot be
    decoded, is used as far as it goes, and `Decoded.warnings` says so.

    Raises:
        MediaError: it cannot be decoded, or lacks the stream that `params.media` needs; the subclasses say more.
        DiskFullError: there was no space left for the temporary files.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(path, limits))
        info = probe_file(source, path, limits)
        if params.media == "video" and not (info.has_video and info.width_px and info.height_px):
            raise MediaError(path, "no video stream that can be decoded")
        if params.media == "audio" and not info.has_audio:
            raise MediaError(path, "no audio stream that can be decoded")
        job = _Job(path, source, _spool(stack), _spool(stack), _spool(stack), info, params, limits)
        return _collect(*_run_tracks(job))


@dataclasses.dataclass(frozen=True)
class _Job:
    """One source for ffmpeg; ffmpeg writes the files `frames`, `samples` and `first`, the first channel's samples.

    `hold_seconds` is the second up to which the last image is held; 0 to end with the video.
    """

    path: Path
    source: BinaryIO
    frames: BinaryIO
    samples: BinaryIO
    first: BinaryIO
    info: MediaInfo
    params: ShardParams
    limits: Limits
    hold_seconds: float = 0.0

    @functools.cached_property
    def size_px(self) -> tuple[int, int]:
        return frame_size_px(self.info, self.params) if self.params.media == "video" else (0, 0)

    @functools.cached_property
    def free_seconds(self) -> float:
        """Seconds of decoded frames and audio that the free space may hold."""
        width, height = self.size_px
        bytes_per_second = width * height * 3 // 2 * self.params.fps + 8 * self.params.sample_rate_hz
        return SPACE_SHARE * shutil.disk_usage(temporary_folder()).free / bytes_per_second

    @functools.cached_property
    def longest_seconds(self) -> float:
        """Second at which decoding stops: a few bytes with wild timestamps must not become 20 GB of repeated frames.

        A header that states less than there is counts for less than the file's size.
        """
        longest = min(self.limits.max_duration_seconds, self.free_seconds)
        if self.info.duration_seconds is None:
            return longest
        plausible = max(1.25 * self.info.duration_seconds, self.source.seek(0, 2) / LEAST_BYTES_PER_SECOND)
        return min(longest, 60 + plausible)

    def count_frames(self) -> int:
        """Frames that ffmpeg has written."""
        width, height = self.size_px
        return self.frames.seek(0, 2) // (width * height * 3 // 2)

    @property
    def timeout_seconds(self) -> float:
        seconds = max(self.info.duration_seconds or 0.0, self.source.seek(0, 2) / ASSUMED_BYTES_PER_SECOND)
        return self.limits.timeout_seconds + self.limits.timeout_factor * min(seconds, self.longest_seconds)


def _spool(stack: contextlib.ExitStack) -> BinaryIO:
    """Open a temporary file without a name."""
    folder = temporary_folder()
    try:
        return cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile(dir=folder)))
    except OSError as error:
        raise DiskFullError(folder, f"no temporary file ({error.strerror}); set TMPDIR") from error


def _coarse(job: _Job) -> dict[str, str]:
    """Return options of the decoder that save what a coarse decoding does not need."""
    if not job.limits.is_coarse or job.params.media == "audio":
        return {}
    skipped = {"skip_loop_filter": "all"}
    return skipped | ({"skip_frame": "noref"} if job.info.fps >= COARSE_FRAMES * job.params.fps else {})


def _command(job: _Job) -> Any:
    """Compose ffmpeg's outputs: one input, explicit maps, all outputs cut at the same second."""
    media = media_input(job.source, job.info, max_pixels=job.limits.max_pixels, **_coarse(job))
    outputs = []
    if job.params.media == "video":
        outputs.append(_frames(media[str(job.info.video_stream)], job))
    if job.info.has_audio:
        audio = media[str(job.info.audio_stream)]
        outputs.append(_samples(audio, job.samples, mix_filters(job.info), job))
        if job.info.audio_channels > 1:
            outputs.append(_samples(audio, job.first, [FIRST_CHANNEL], job))
    return ffmpeg.merge_outputs(*outputs).global_args(
        "-filter_threads", "1",
        "-max_error_rate", "1",  # some frames of a damaged source are better than none
    )  # fmt: skip


def _frames(stream: Any, job: _Job) -> Any:
    """Video branch.

    ffmpeg rebuilds the filters when the size or pixel format changes, so no filter may count from the start. The output's
    constant rate keeps the clock and fills it up to the first image.
    """
    # round=near: output i takes the last image with time < (i + 0.5) / fps, the one on screen in the frame's middle.
    # A source shorter than half a frame would come out empty with eof_action=round.
    is_short = job.info.duration_seconds is not None and job.info.duration_seconds * job.params.fps < 2
    rate = str(Fraction(job.params.fps).limit_denominator(100_000))
    hold = [filter_text("tpad", stop=-1, stop_mode="clone")] if job.hold_seconds else []
    filters = [
        *deinterlaced(job.info),
        *hold,
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
        t=f"{job.hold_seconds or job.longest_seconds:.3f}",
        flush_packets=0,  # one write per full buffer, not per image
    )


def _samples(stream: Any, file: BinaryIO, mixing: list[str], job: _Job) -> Any:
    """Audio branch; rematrix_maxval=1: a stereo tone makes a mono tone as loud, not one 3 dB louder."""
    resampling = {"async": 1, "first_pts": 0, "min_hard_comp": HARD_COMPENSATION_SECONDS, "rematrix_maxval": 1}
    filters = [*mixing, filter_text("aresample", sample_rate=job.params.sample_rate_hz, **resampling)]
    filters.append("aformat=sample_fmts=flt:channel_layouts=mono")
    return stream.output(
        f"pipe:{file.fileno()}",
        format="f32le",
        af=",".join(filters),
        t=f"{job.longest_seconds:.3f}",
        flush_packets=0,
    )


def _run_tracks(job: _Job) -> tuple[_Job, str]:
    """Run ffmpeg, and again where one track would cost the other; return the last job and its warnings.

    Audio that cannot be decoded is left out. Where the audio is longer than the video, the last image is held.
    """
    trouble = ""
    try:
        words = _run(job)
    except MediaLimitError:
        raise
    except MediaError as error:
        if job.params.media == "audio" or not job.info.has_audio:
            raise
        trouble = f"its audio cannot be decoded: {error.reason}"
        job = dataclasses.replace(job, info=dataclasses.replace(job.info, has_audio=False))
        words = _run(job)
    if job.params.media == "video":
        seconds = job.samples.seek(0, 2) / 4 / job.params.sample_rate_hz
        n_frames = job.count_frames()
        if seconds > job.longest_seconds - SHORTFALL_SECONDS:  # of audio with wild timestamps there is no end to hold
            seconds = 0.0
        if not n_frames or seconds > n_frames / job.params.fps + SHORTFALL_SECONDS:
            job = dataclasses.replace(job, hold_seconds=max(seconds, 1 / job.params.fps))
            words = _run(job)
    return job, _joined(trouble, words)


def _run(job: _Job) -> str:
    """Run ffmpeg; return its warnings."""
    written = (job.frames, job.samples, job.first)
    for file in written:
        if file.seek(0, 2):  # a run before
            file.seek(0)
            file.truncate()
    descriptors = [job.source.fileno(), *(file.fileno() for file in written)]
    try:
        status, words = run_ffmpeg(_command(job), pass_fds=descriptors, timeout_seconds=job.timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise MediaLimitError(job.path, f"decoding took more than {job.timeout_seconds:.0f} s") from error
    if status == 0:
        if _AUDIO_RESTARTED in words:
            remedy = "make it uniform first: ffmpeg -i IN -c:v copy -ar 48000 -ac 2 OUT"
            raise MediaError(job.path, f"its audio changes rate or channels in mid-stream; {remedy}")
        return words
    is_full = "No space left on device" in words or "Disk quota exceeded" in words
    if is_full or status == -signal.SIGXFSZ:  # the latter: over the process's file-size limit
        raise DiskFullError(temporary_folder(), "no space left for decoded frames; free some or set TMPDIR")
    if status < 0:
        raise MediaError(job.path, f"ffmpeg was killed by signal {-status}")
    raise MediaError(job.path, cause(words) or f"ffmpeg left with status {status}")


def _collect(job: _Job, words: str) -> Decoded:
    """Map ffmpeg's output into memory, and bring the audio to exactly the frames' length."""
    width, height = job.size_px
    n_samples = job.samples.seek(0, 2) // 4
    if job.params.media == "video":
        n_frames = job.count_frames()
    else:
        n_frames = int(n_samples / job.params.samples_per_frame + 0.5) or int(n_samples > 0)
    if n_frames >= int(job.longest_seconds * job.params.fps):
        raise _too_long(job)
    if n_frames == 0:
        first, reason = cause(words), "nothing in it can be decoded"
        raise MediaError(job.path, f"{reason} ({first})" if first else reason)
    planes = waveform = None
    if job.params.media == "video":
        planes = np.memmap(job.frames, np.uint8, "r", shape=(n_frames, height * 3 // 2, width))
    if n_samples:
        cancelled = replace_cancelled(job.samples, job.first, job.info.audio_channels, job.params.sample_rate_hz)
        if cancelled:
            words = _joined(
                words, f"for {cancelled:.0f} s the audio's channels cancel in the mix: the first one is used"
            )
        job.samples.truncate(4 * n_frames * job.params.samples_per_frame)  # cuts, or pads with zeros
        waveform = np.memmap(job.samples, np.float32, "r", shape=(n_frames * job.params.samples_per_frame,))
    info = dataclasses.replace(job.info, has_audio=n_samples > 0)
    seconds, stated = n_frames / job.params.fps, info.duration_seconds
    if stated is not None and seconds <= stated - SHORTFALL_SECONDS:
        words = _joined(words, f"decoded {seconds:.1f} s of {stated:.1f} s")
    return Decoded(n_frames, planes, waveform, info, words)


def _too_long(job: _Job) -> MediaLimitError | DiskFullError:
    """The space is at fault if it does not hold what the header states, or not even a minute."""
    if job.longest_seconds == job.free_seconds < max(job.info.duration_seconds or 0.0, 60.0):
        reason = f"has space for {job.free_seconds:.0f} s of decoded frames, {job.path} needs more"
        return DiskFullError(temporary_folder(), f"{reason}; free some or set TMPDIR")
    reason = f"goes on for more than {job.longest_seconds:.0f} s: over the limit, its header or the space in TMPDIR"
    return MediaLimitError(job.path, reason)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
