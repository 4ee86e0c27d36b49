"""Batches (B, F, px, px, 3) uint8 by webdataset with one JPEG a frame, or from mp4 by torchcodec, PyAV or decord.

Started by `benchmarks.peer`, with a job as JSON: way, segments, window, px, batch, workers, n_frames, skip; `tars` or
`videos`. Segments come in random order, windows at random; no sound is read.
"""

import json
import random
import sys
import time

import numpy as np
import torch
from answering import serve


def square(frames, px):
    left = (frames.shape[-2] - px) // 2
    return np.ascontiguousarray(frames[:, :px, left : left + px])


def decode_torchcodec(path, start, stop):
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
    return decoder.get_frames_in_range(start, stop).data.numpy()


def decode_pyav(path, start, stop):
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        first = round(start / stream.average_rate / stream.time_base)
        if start:
            container.seek(first, stream=stream)
        frames = []
        for frame in container.decode(stream):
            if frame.pts >= first:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == stop - start:
                break
    return np.stack(frames)


def decode_decord(path, start, stop):
    import decord

    return decord.VideoReader(path, num_threads=1).get_batch(range(start, stop)).asnumpy()


DECODERS = {"torchcodec": decode_torchcodec, "PyAV": decode_pyav, "decord": decode_decord}


class Videos(torch.utils.data.Dataset):
    def __init__(self, job):
        self.job, self.decode = job, DECODERS[job["way"]]

    def __len__(self):
        return self.job["segments"]

    def __getitem__(self, number):
        start = random.randint(0, self.job["n_frames"] - self.job["window"])  # noqa: S311 - no secret
        path = self.job["videos"][number % len(self.job["videos"])]
        return torch.from_numpy(square(self.decode(path, start, start + self.job["window"]), self.job["px"]))


def from_videos(job):
    videos = Videos(job)
    endless = torch.utils.data.RandomSampler(videos, num_samples=1_000_000)
    return torch.utils.data.DataLoader(videos, job["batch"], sampler=endless, num_workers=job["workers"])


def from_tars(job):
    import simplejpeg
    import webdataset

    def decode(sample):
        names = sorted(name for name in sample if name.endswith(".jpg"))
        start = random.randint(0, len(names) - job["window"])  # noqa: S311 - no secret
        frames = [simplejpeg.decode_jpeg(sample[name]) for name in names[start : start + job["window"]]]
        return torch.from_numpy(square(np.stack(frames), job["px"]))

    dataset = webdataset.WebDataset(job["tars"], shardshuffle=len(job["tars"])).repeat().shuffle(16).map(decode)
    return torch.utils.data.DataLoader(dataset, job["batch"], num_workers=job["workers"])


def main():
    job = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    batches = iter((from_tars if job["way"] == "webdataset" else from_videos)(job))

    def work():
        for _ in range(job["skip"]):  # what was read ahead while others ran
            next(batches)
        since, n_segments, shape = time.perf_counter(), 0, []
        for _ in range(job["segments"] // job["batch"]):
            batch = next(batches)
            n_segments += len(batch)
            shape = list(batch.shape[1:])
        return {"seconds": time.perf_counter() - since, "segments": n_segments, "shape": shape}

    serve(work)


if __name__ == "__main__":
    main()
