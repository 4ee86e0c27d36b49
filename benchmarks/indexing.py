"""Videos of 1080p to descriptors of an index, beside decoding alone."""

from benchmarks.question import OURS, BenchmarkError, Setting, Way, race, timed
from benchmarks.sources import CORES, decode, full_hd_videos
from evaluate.fingerprint.api import SHIPPED_ENCODER
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import load_encoder
from evaluate.fingerprint.describe.extract import ExtractOptions, MediaFile, describe_files
from evaluate.results.results import Result

TASK = "indexing"
CODECS = {"H.264": "libx264 -preset veryfast -crf 23", "HEVC": "libx265 -preset ultrafast -crf 26"}
SECONDS, HOP_SECONDS = 240.0, 0.5
FLOOR = "ffmpeg, decoding alone"


def measure(setting: Setting) -> list[Result]:
    """One video a core, of each codec: decoded and described by the shipped encoder, a descriptor each half second."""
    return [record for codec in CODECS for record in _race(codec, setting)]


def _race(codec: str, setting: Setting) -> list[Result]:
    seconds = setting.sized(round(SECONDS), 4)
    videos = full_hd_videos(setting.data, CORES, seconds, CODECS[codec])
    encoder, files = load_encoder(SHIPPED_ENCODER), [MediaFile(path.name, path) for path in videos]

    def ours() -> None:
        for each in describe_files(files, encoder, ExtractOptions(HOP_SECONDS, workers=CORES)):
            if not isinstance(each, Descriptors) or each.end_seconds[-1] < seconds - 2 * HOP_SECONDS:
                raise BenchmarkError(f"{TASK}: {each.source} was not described to its end")

    ways = [Way(OURS, timed(ours)), Way(FLOOR, timed(lambda: decode(videos)), goal=1 / 0.8)]
    return race(TASK, codec, {"seconds of video": CORES * seconds}, ways, setting)
