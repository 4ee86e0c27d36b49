"""One ffmpeg process a source: frames at a constant rate and mono audio, on one clock that starts with the container.

ffmpeg writes raw frames and samples into two unlinked temporary files, which are then mapped into memory. So the length
need not be known in advance, no pipe can block, and a three-hour source takes disk space ($TMPDIR), not memory.
"""

import contextlib
import dataclasses
import re
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from preprocess.errors import DiskFullError, MediaError, MediaLimitError
from preprocess.media.decode_command import Job, decoding_command
from preprocess.media.ffmpeg import cause, clean_words, run_ffmpeg
from preprocess.media.media_info import USUAL_LIMITS, Decoded, Limits
from preprocess.media.mono import keep_one_channel
from preprocess.media.probe import open_source, probe_file
from preprocess.schema import ShardParams
from preprocess.temporary_folder import temporary_folder

SHORTFALL_SECONDS = 0.5
"""Missing at the end of the source or of its video before it matters; streams of one file often differ by less."""
_AUDIO_RESTARTED = re.compile(r"\[f32le @ [^\n]*Application provided invalid, non monotonically increasing dts")
"""ffmpeg's line after it rebuilt the audio's filters, which then fill up with silence from second 0 again."""


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
        job = Job(path, source, _spool(stack), _spool(stack), info, params, limits)
        return _collect(*_run_tracks(job))


def _spool(stack: contextlib.ExitStack) -> BinaryIO:
    """Open a temporary file without a name."""
    folder = temporary_folder()
    try:
        return cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile(dir=folder)))
    except OSError as error:
        raise DiskFullError(folder, f"no temporary file ({error.strerror}); set TMPDIR") from error


def _run_tracks(job: Job) -> tuple[Job, str]:
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
        seconds = job.count_samples() / job.params.sample_rate_hz
        n_frames = job.count_frames()
        if seconds > job.longest_seconds - SHORTFALL_SECONDS:  # of audio with wild timestamps there is no end to hold
            seconds = 0.0
        if not n_frames or seconds > n_frames / job.params.fps + SHORTFALL_SECONDS:
            job = dataclasses.replace(job, hold_seconds=max(seconds, 1 / job.params.fps))
            words = _run(job)
    return job, _joined(trouble, words)


def _run(job: Job) -> str:
    """Run ffmpeg; return its warnings."""
    for file in (job.frames, job.samples):
        if file.seek(0, 2):  # a run before
            file.seek(0)
            file.truncate()
    descriptors = [job.source.fileno(), job.frames.fileno(), job.samples.fileno()]
    stderr = run_ffmpeg(
        job.path, decoding_command(job), pass_fds=descriptors, timeout_seconds=job.timeout_seconds, work="decoding"
    )
    if _AUDIO_RESTARTED.search(stderr):
        remedy = "make it uniform first: ffmpeg -i IN -c:v copy -ar 48000 -ac 2 OUT"
        raise MediaError(job.path, f"its audio changes rate or channels in mid-stream; {remedy}")
    return clean_words(stderr)


def _collect(job: Job, words: str) -> Decoded:
    """Map ffmpeg's output into memory, and bring the audio to exactly the frames' length."""
    width, height = job.size_px
    n_samples = job.count_samples()
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
    if job.info.has_audio and job.info.audio_channels > 1:
        cancelled = keep_one_channel(job.samples, job.info.audio_channels, job.params.sample_rate_hz)
        if cancelled:
            words = _joined(
                words, f"for {cancelled:.0f} s the audio's channels cancel in the mix: the first one is used"
            )
    if n_samples:
        job.samples.truncate(4 * n_frames * job.params.samples_per_frame)  # cuts, or pads with zeros
        waveform = np.memmap(job.samples, np.float32, "r", shape=(n_frames * job.params.samples_per_frame,))
    info = dataclasses.replace(job.info, has_audio=n_samples > 0)
    seconds, stated = n_frames / job.params.fps, info.duration_seconds
    if stated is not None and seconds <= stated - SHORTFALL_SECONDS:
        words = _joined(words, f"decoded {seconds:.1f} s of {stated:.1f} s")
    return Decoded(n_frames, planes, waveform, info, words)


def _too_long(job: Job) -> MediaLimitError | DiskFullError:
    """The space is at fault if it does not hold what the header states, or not even a minute."""
    if job.longest_seconds == job.free_seconds < max(job.info.duration_seconds or 0.0, 60.0):
        reason = f"has space for {job.free_seconds:.0f} s of decoded frames, {job.path} needs more"
        return DiskFullError(temporary_folder(), f"{reason}; free some or set TMPDIR")
    reason = f"goes on for more than {job.longest_seconds:.0f} s: over the limit, its header or the space in TMPDIR"
    return MediaLimitError(job.path, reason)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
