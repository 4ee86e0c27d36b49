"""Batches (B, F, px, px, 3) uint8 by webdataset with one JPEG a frame, or from mp4 by torchcodec.

Its job: way, segments, window, px, batch, workers, n_frames, skip; `tars` or `videos`. Segments come in random order,
windows at random; no audio is read.
"""

import json
import random
import sys
import time

import numpy as np
import torch


class Segments(torch.utils.data.IterableDataset):
    """Windows (F, px, px, 3) for ever; every worker of the loader draws its own."""

    def __init__(self, job):
        self.job = job

    def __iter__(self):
        px, frames = self.job["px"], self._from_tars if self.job["way"] == "webdataset" else self._from_videos
        for window in frames():
            left = (window.shape[-2] - px) // 2
            yield torch.from_numpy(np.ascontiguousarray(window[:, :px, left : left + px]))

    def _span(self, n_frames):
        start = random.randint(0, n_frames - self.job["window"])  # noqa: S311 - no secret
        return start, start + self.job["window"]

    def _from_videos(self):
        from torchcodec.decoders import VideoDecoder

        while True:
            path = random.choice(self.job["videos"])  # noqa: S311 - no secret
            decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
            yield decoder.get_frames_in_range(*self._span(self.job["n_frames"])).data.numpy()

    def _from_tars(self):
        import simplejpeg
        import webdataset

        tars = self.job["tars"]
        for sample in webdataset.WebDataset(tars, shardshuffle=len(tars)).repeat().shuffle(16):
            names = sorted(name for name in sample if name.endswith(".jpg"))
            yield np.stack([simplejpeg.decode_jpeg(sample[name]) for name in names[slice(*self._span(len(names)))]])


def work(job):
    torch.set_num_threads(1)
    batches = iter(torch.utils.data.DataLoader(Segments(job), job["batch"], num_workers=job["workers"]))
    for _ in range(job["skip"]):  # until it works as it does later on
        next(batches)
    since, n_segments = time.perf_counter(), 0
    for _ in range(job["segments"] // job["batch"]):
        batch = next(batches)
        n_segments += len(batch)
    return {"seconds": time.perf_counter() - since, "segments": n_segments, "shape": list(batch.shape[1:])}


if __name__ == "__main__":
    print(json.dumps(work(json.loads(sys.argv[1]))))
