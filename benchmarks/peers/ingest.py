"""Videos to WebDataset tars by video2dataset: as many processes, the same clips, frame rate and height, and audio.

Its frames are H.264 again, its audio a wav at the source's rate. Release 1.3.0 does not run as it is: its worker reads an
attribute `encode_formats` that the subsamplers lack (AttributeError), and changes a dictionary while it iterates over it
(RuntimeError). Both are mended here for video; audio stays at its rate.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

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
    n_processes, formats = job["processes"], {"video": "mp4", "audio": "wav"}
    config = {
        "subsampling": {
            "ResolutionSubsampler": {"args": {"height": job["height_px"], "resize_mode": ["scale"]}},
            "FrameSubsampler": {"args": {"frame_rate": job["fps"]}},
        },
        "reading": {"yt_args": {"yt_metadata_args": None}, "timeout": 60, "sampler": None},
        "storage": {
            "number_sample_per_shard": -(-len(job["videos"]) // n_processes), "oom_shard_count": 5,
            "captions_are_subtitles": False,
        },
        "distribution": {
            "processes_count": n_processes, "thread_count": 1, "subjob_size": 1000, "distributor": "multiprocessing",
        },
    }  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="avtempo-v2d-"))
    try:
        table, out = folder / "list.csv", folder / "out"
        table.write_text("\n".join(["url", *job["videos"]]) + "\n")
        video2dataset(str(table), str(out), "webdataset", encode_formats=formats, config=config)
        stats = [json.loads(path.read_text()) for path in out.glob("*_stats.json")]
    finally:
        shutil.rmtree(folder)
    # Its own clock, which leaves out the imports of its processes.
    seconds = max(each["end_time"] for each in stats) - min(each["start_time"] for each in stats)
    return {"seconds": seconds, "clips": sum(each["successes"] for each in stats)}


if __name__ == "__main__":
    print(json.dumps(work(json.loads(sys.argv[1]))))
