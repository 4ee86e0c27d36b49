"""A closer look at the best spans below the threshold: the archive's seconds are read again and compared in detail.

A span that was found by descriptors, but could be chance, is decided if query and reference show the same changes at the same
places (video_alignment.py), or audio that is alike moment by moment (audio_alignment.py). Only few spans of a query are looked
at, so chance has few places instead of a whole index.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from evaluate.fingerprint.closer_look.look_at_audio import look_at_audio
from evaluate.fingerprint.closer_look.look_at_video import look_at_video
from evaluate.fingerprint.closer_look.piece import Look, PartReader
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.match.matches import Match, best_first

FALSE_MATCH_SHARE = 0.1
"""Share of the accepted false matches that a closer look may cause."""
SURER = 3.0
"""Score by which a look must beat another that decides to tell the seconds: a half is always a little surer of its own."""
WIDE_SPANS = 3
"""Spans of a window without video whose audio is compared at all speeds: a tenth of a second each."""


def look_closer(
    found: Sequence[Match],
    doubtful: Iterable[tuple[ViewedFootage, Sequence[Match]]],
    parts: PartReader,
    threshold: float,
) -> list[Match]:
    """Look closer at some spans of a query; return all spans, best first.

    A span that is less likely by chance after the look gets the look's score, and the seconds where it was found.

    Args:
        found: spans of the query.
        doubtful: windows of the query, and spans with their middle in each, best first.
        parts: reads the references.
        threshold: least score of a decided match.
    """
    looks = list[tuple[int, Look]]()
    n_windows = 0
    for window, matches in doubtful:
        n_windows += 1
        for rank, match in enumerate(matches, start=1):
            is_wide = window.footage.frames is None and rank <= WIDE_SPANS
            looks += [(rank, each) for each in look_at_video(match, window, parts)]
            looks += [(rank, each) for each in look_at_audio(match, window, parts, is_wide=is_wide)]
    n_kinds = len({each.kind for _, each in looks})
    better = dict[Match, Match]()
    for rank, each in looks:
        # Kinds and windows have equal parts of the false matches; of a window's ranks, half for the first, then 1 / 6, 1 / 12.
        n_chances = each.n_tries * n_kinds * n_windows * rank * (rank + 1)
        score = (each.surprise - math.log(n_chances / FALSE_MATCH_SHARE)) / math.log(10)
        before, is_video = better.get(each.match, each.match), each.kind == "video"
        if score > max(0.0, (before.video_score if is_video else before.audio_score) or 0.0):
            told = replace(
                each.placed if score > before.score + SURER * before.decision else before, score=max(score, before.score),
                video_score=score if is_video else before.video_score,
                audio_score=before.audio_score if is_video else score,
            )  # fmt: skip
            better[each.match] = replace(told, decision=told.score >= threshold)
    return best_first(better.get(match, match) for match in found)
