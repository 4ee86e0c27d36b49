"""Which way round the video of a matched clip is. A mirrored clip may match as it is, so this is told after matching."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from evaluate.fingerprint.answer.matcher import numpy_on_one
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.footage import Footage, FootageFile
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.index.library import Library
from evaluate.fingerprint.match.align import WINDOW_SECONDS
from evaluate.fingerprint.match.matches import Answer, Match


def likeness(match: Match, windows: Iterator[ViewedFootage], library: Library) -> np.ndarray:
    """How alike the query's frames, and their mirror image, are to the reference's along a match.

    Returns:
        float32 (2, n), cosines at n hops of the match, as it was found and mirrored; n may be 0.
    """
    search, number = library.searches["video"], library.sources.index(match.reference)
    (vectors,), at = search.vectors_of([number]), search.middle_seconds[search.rows_of(number)]
    views = [match.view, replace(match.view, is_mirrored=not match.view.is_mirrored)]
    found = []
    for window in windows:
        described = window.describe_all(views, library.hop_seconds / 2)
        has, seconds = described[0].has_video, (described[0].start_seconds + described[0].end_seconds) / 2 / match.view.speed
        here = has & (seconds >= match.query_start_seconds) & (seconds < match.query_end_seconds)
        if not here.any() or not len(at):
            continue
        nearest = np.abs(at[:, None] - np.array([match.reference_at(s) for s in seconds[here]])).argsort(0)[:3]
        found.append([np.einsum("kd,nkd->nk", np.zeros(0), 0) if False else (vectors[nearest.T] @ each.video[here][:, :, None])[..., 0].max(1) for each in described])
    return np.concatenate(found, 1) if found else np.zeros((2, 0), np.float32)
