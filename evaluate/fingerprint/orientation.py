"""Whether a matched clip is mirrored. One may match as it is, so this is told after matching, by a look at both."""

from dataclasses import replace

import numpy as np

from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.footage import FootageFile
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import View
from evaluate.fingerprint.index.library import Library
from evaluate.fingerprint.match.align import WINDOW_SECONDS
from evaluate.fingerprint.match.matches import Answer, Match

CLEARLY = 0.01
"""Mean difference of cosines from which frames are told from their mirror images; symmetric ones differ by less."""
NEAREST = 3
"""Descriptors of the reference around a second of a match; the most similar one counts."""


def oriented(answer: Answer, file: FootageFile, library: Library, encoder: DescriptorEncoder) -> Answer:
    """Correct whether the decided matches of a query are mirrored; nothing else changes.

    Args:
        answer: to the query.
        file: the query.
        library: that it was matched with.
        encoder: of the library's descriptors.

    Raises:
        ShardError: the query's shards are damaged.
    """
    gains = {match: list[np.ndarray]() for match in answer.decided if (match.video_score or 0) > 0}
    for footage in file.windows(WINDOW_SECONDS, 0) if gains else ():
        first, last = (number / file.params.fps for number in (footage.first_frame, footage.first_frame + len(footage)))
        window, described = ViewedFootage(file.source, footage, encoder), dict[View, Descriptors]()
        for match, gained in gains.items():
            if footage.frames is None or match.query_end_seconds <= first or match.query_start_seconds >= last:
                continue
            for view in (match.view, _mirrored(match.view)):
                if view not in described:
                    described[view] = window.describe(view, library.hop_seconds)
            gained.append(_gain(match, described, library))
    wrong = {match for match, gained in gains.items() if gained and _mean(np.concatenate(gained)) > CLEARLY}
    matches = [replace(each, view=_mirrored(each.view)) if each in wrong else each for each in answer.matches]
    return replace(answer, matches=tuple(matches))


def _mirrored(view: View) -> View:
    return replace(view, is_mirrored=not view.is_mirrored)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _gain(match: Match, described: dict[View, Descriptors], library: Library) -> np.ndarray:
    """Return by how much the mirror image is more similar to the reference, float32 (n,), at n seconds of a match."""
    search, number = library.searches["video"], library.sources.index(match.reference)
    (reference,), at = search.vectors_of([number]), search.middle_seconds[search.rows_of(number)]
    query = described[match.view]
    middle = (query.start_seconds + query.end_seconds) / 2 / match.view.speed
    here = np.flatnonzero(query.has_video & (middle >= match.query_start_seconds) & (middle < match.query_end_seconds))
    placed = np.array([match.reference_at(second) for second in middle[here]])
    near = np.abs(placed[:, None] - at).argsort(axis=1, kind="stable")[:, :NEAREST]
    cosines = []
    for view in (match.view, _mirrored(match.view)):
        vectors = described[view].video
        assert vectors is not None  # noqa: S101 - the window has frames
        cosines.append(np.einsum("nd,nkd->nk", vectors[here], reference[near]).max(axis=1, initial=-1.0))
    gain: np.ndarray = cosines[1] - cosines[0]
    return gain
