"""Videos to WebDataset tars by video2dataset: as many processes, the same clips, frame rate and height, and the sound.

Its frames are H.264 again, its sound a wav at the source's rate. Release 1.3.0 cannot run as it is: its worker reads an
attribute `encode_formats` that the subsamplers do not have (AttributeError), and changes a dictionary while it goes over it
(RuntimeError). Both are mended here for the picture; sound stays at its rate.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from answering import serve
from video2dataset import video2dataset
from video2dataset.subsamplers import FrameSubsampler, ResolutionSubsampler


def keep_order(subsample):
    def subsampled(self, streams, metadata=None):
        found, metas, error = subsample(self, dict(streams), metadata)
        if error is None:
            streams.update(found)
        return streams, metas, error

    return subsampled


# Here, not below: its processes import this file again.
ResolutionSubsampler.encode_formats = {"video": "mp4"}
FrameSubsampler.__call__ = keep_order(FrameSubsampler.__call__)


def work(job):
    folder = Path(tempfile.mkdtemp(prefix="avtempo-v2d-"))
    try:
        table, out = folder / "list.csv", folder / "out"
        table.write_text("url\n" + "\n".join(job["videos"]) + "\n")
        video2dataset(
            str(table), str(out), "webdataset", encode_formats={"video": "mp4", "audio": "wav"}, config=config(job)
        )
        stats = [json.loads(path.read_text()) for path in out.glob("*_stats.json")]
        # Its own clock: what its processes import at their start is left out.
        seconds = max(each["end_time"] for each in stats) - min(each["start_time"] for each in stats)
        return {"seconds": seconds, "clips": sum(each["successes"] for each in stats)}
    finally:
        shutil.rmtree(folder)


def config(job):
    return {
        "subsampling": {
            "ResolutionSubsampler": {"args": {"height": job["height_px"], "resize_mode": ["scale"]}},
            "FrameSubsampler": {"args": {"frame_rate": job["fps"]}},
        },
        "reading": {"yt_args": {"yt_metadata_args": None}, "timeout": 60, "sampler": None},
        "storage": {
            "number_sample_per_shard": -(-len(job["videos"]) // job["processes"]), "oom_shard_count": 5,
            "captions_are_subtitles": False,
        },
        "distribution": {
            "processes_count": job["processes"], "thread_count": 1, "subjob_size": 1000, "distributor": "multiprocessing",
        },
    }  # fmt: skip


def main():
    job = json.loads(sys.argv[1])
    serve(lambda: work(job))


if __name__ == "__main__":
    main()
