"""Fades: generated videos that rise out of black look alike, and are not taken for copies of each other."""

import numpy as np
import torch
import torch.nn.functional as F

from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.describe.clip_stream import describe_video
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.fades import describe_fades
from evaluate.fingerprint.index.library import build_library
from preprocess.synthetic.collage.archive import VideoTask, video_arrays
from preprocess.synthetic.collage.shot import FPS

SEED, SECONDS, FADE_SECONDS, HOP, RATE = 77, 6.0, 3.0, 0.5, 0.01


def describe(encoder, number, hop_seconds):
    """A generated video that fades in."""
    frames = video_arrays(VideoTask(SEED, number, SECONDS))[0][:, :, 16:112]  # (T, 96, 96, 3)
    fps, clip = encoder.shard_params.fps, encoder.clip
    seconds = np.arange(int(SECONDS * fps)) / fps
    shown = frames[(seconds * FPS).astype(int)] * np.minimum(seconds / FADE_SECONDS, 1)[:, None, None, None]
    small = F.interpolate(torch.from_numpy(shown).permute(0, 3, 1, 2), (clip.frame_px, clip.frame_px))
    starts = torch.arange(0, len(seconds) - clip.span_frames + 1, max(1, round(hop_seconds * fps)))
    has, vectors = describe_video(encoder, small.permute(0, 2, 3, 1).to(torch.uint8), starts)
    begin, silent = starts.numpy() / fps, np.zeros(len(has), bool)
    return Descriptors(str(number), begin, begin + clip.span_frames / fps, has, silent, vectors, None)


def test_unrelated_fades_match_less_often_and_each_is_found_in_itself(shipped_encoder):
    sources = [describe(shipped_encoder, number, HOP) for number in range(1, 9)]
    queries = [describe(shipped_encoder, number, HOP / 4) for number in range(1, 17)]
    n_false = []
    for background in ((), describe_fades(shipped_encoder, HOP / 4)):
        matchers = [Matcher(build_library([each], HOP, background=background), RATE) for each in sources]
        found = [[matcher.match(query) for query in queries] for matcher in matchers]
        decided = np.array([[any(each.decision for each in some) for some in row] for row in found])
        assert np.diag(decided).all()
        n_false.append(int(decided.sum()) - len(sources))
    without, with_fades = n_false
    assert with_fades <= without / 3
    assert with_fades <= 0.035 * len(sources) * (len(queries) - 1)  # without idle moments 0.042
