"""The ffmpeg command that decodes a source: frames at a constant rate and mono audio, cut at the same second."""

import dataclasses
import functools
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import ffmpeg

from preprocess.media.frame_filters import deinterlaced, filter_text, fitted
from preprocess.media.media_info import Limits, MediaInfo
from preprocess.media.mono import FIRST_CHANNEL, MIX_AND_FIRST, mix_filters
from preprocess.media.probe import media_input
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


@dataclasses.dataclass(frozen=True)
class Job:
    """One source for ffmpeg; ffmpeg writes the files `frames` and `samples`.

    The samples are those of the mix; of a source of several channels, each is followed by the first channel's.
    `hold_seconds` is the second up to which the last image is held; 0 to end with the video.
    """

    path: Path
    source: BinaryIO
    frames: BinaryIO
    samples: BinaryIO
    info: MediaInfo
    params: ShardParams
    limits: Limits
    hold_seconds: float = 0.0

    @functools.cached_property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the frames, 0 without video."""
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

    def count_samples(self) -> int:
        """Samples of audio that ffmpeg has written."""
        return self.samples.seek(0, 2) // (8 if self.info.audio_channels > 1 else 4)

    @property
    def timeout_seconds(self) -> float:
        """How long ffmpeg may take."""
        seconds = max(self.info.duration_seconds or 0.0, self.source.seek(0, 2) / ASSUMED_BYTES_PER_SECOND)
        return self.limits.timeout_seconds + self.limits.timeout_factor * min(seconds, self.longest_seconds)


def _coarse(job: Job) -> dict[str, str]:
    """Return options of the decoder that save what a coarse decoding does not need."""
    if not job.limits.is_coarse or job.params.media == "audio":
        return {}
    skipped = {"skip_loop_filter": "all"}
    return skipped | ({"skip_frame": "noref"} if job.info.fps >= COARSE_FRAMES * job.params.fps else {})


def decoding_command(job: Job) -> Any:
    """Compose ffmpeg's outputs: one input, explicit maps, all outputs cut at the same second."""
    media = media_input(job.source, job.info, max_pixels=job.limits.max_pixels, **_coarse(job))
    outputs = []
    if job.params.media == "video":
        outputs.append(_frames(media[str(job.info.video_stream)], job))
    if job.info.has_audio:
        outputs.append(_samples(media[str(job.info.audio_stream)], job))
    return ffmpeg.merge_outputs(*outputs).global_args(
        "-filter_threads", "1",
        "-max_error_rate", "1",  # some frames of a damaged source are better than none
    )  # fmt: skip


def _frames(stream: Any, job: Job) -> Any:
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


def _samples(stream: Any, job: Job) -> Any:
    """Audio branch, one output: ffmpeg 9.0 can wait forever with three of them, where the audio begins late."""
    mixed = _mono(mix_filters(job.info), job)
    if job.info.audio_channels > 1:
        mixed = (
            f"asplit[all][one];[all]{mixed}[mix];[one]{_mono([FIRST_CHANNEL], job)}[first];[mix][first]{MIX_AND_FIRST}"
        )
    return stream.output(
        f"pipe:{job.samples.fileno()}",
        format="f32le",
        af=mixed,
        t=f"{job.longest_seconds:.3f}",
        flush_packets=0,
    )


def _mono(mixing: list[str], job: Job) -> str:
    """Filters to one channel; rematrix_maxval=1: a stereo tone makes a mono tone as loud, not one 3 dB louder."""
    resampling = {"async": 1, "first_pts": 0, "min_hard_comp": HARD_COMPENSATION_SECONDS, "rematrix_maxval": 1}
    resampled = filter_text("aresample", sample_rate=job.params.sample_rate_hz, **resampling)
    return ",".join([*mixing, resampled, "aformat=sample_fmts=flt:channel_layouts=mono"])
