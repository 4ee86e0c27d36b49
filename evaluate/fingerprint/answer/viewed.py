"""Matching of edited queries: as they are, and where that leaves a doubt after each of many edits was undone."""

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evaluate.fingerprint.answer.matcher import DESCRIPTORS_A_HOP, Matcher
from evaluate.fingerprint.closer_look.closer_look import FALSE_MATCH_SHARE as CLOSER_SHARE
from evaluate.fingerprint.closer_look.closer_look import look_closer
from evaluate.fingerprint.closer_look.piece import FITTED_SECONDS, PartReader
from evaluate.fingerprint.describe.descriptors import Descriptors, join_rows
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.footage import Footage, FootageFile
from evaluate.fingerprint.describe.query_view import ViewedFootage, views_of
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.match.align import WINDOW_SECONDS
from evaluate.fingerprint.match.matches import Answer, Match, best_first

EXPLAINED_SHARE = 0.8
"""Share of a window that matches by video must cover; else views are looked at."""
LOOK_HOPS = 2
"""Hops of the library from one clip to the next when a view is only looked at."""
SEARCHED_VIEWS = 4
"""Views of a window that are searched in full, the most promising ones."""
LOOKED_CLOSER, MORE_CLOSER = 3, 6
"""Spans of a window that are looked at closer, of different references. More of a window without video, as audio costs less;
of a short one, of which descriptors tell little; and of a matched query that may show another video too."""
SURE_A_SECOND = 2.0
"""Score a second from which a match leaves no doubt that it is all that a window shows; one of two videos that are blended
scores less, as a closely cropped one does."""
MOST_WINDOWS = 10
"""Of a query that are looked at closer: the archive's files are decoded again for each."""
PLAIN_SHARE = 0.5
"""The plain view may cause half of the accepted false matches, a closer look a tenth, all other views the rest."""
VIEWS_SHARE = 1 - PLAIN_SHARE - CLOSER_SHARE
SAME_SHARE = 0.3
"""A span that overlaps a better one of its reference by more than this share of its own seconds is the same match."""


@dataclass(frozen=True)
class ViewMatcher:
    """Answers queries from a library although they were edited.

    Attributes:
        matcher: finds the references of one view.
        encoder: of the library's descriptors.
        parts: reads the archive's files again for a closer look.
    """

    matcher: Matcher
    encoder: DescriptorEncoder
    parts: PartReader

    def answer(self, file: FootageFile) -> Answer:
        """Match one query with all references; keep also the best few spans below the threshold.

        Raises:
            ShardError: the query's shards are damaged.
        """
        plain, found = self._match(file)
        return self.matcher.answer(plain, found, 1 / PLAIN_SHARE)

    def match(self, file: FootageFile) -> list[Match]:
        """Return all spans with any evidence, best first.

        Raises:
            ShardError: the query's shards are damaged.
        """
        return self._match(file)[1]

    def _match(self, file: FootageFile) -> tuple[Descriptors, list[Match]]:
        hop_seconds = self.matcher.library.hop_seconds
        dense = hop_seconds / DESCRIPTORS_A_HOP
        plain = join_rows([each.describe(PLAIN, dense) for each in self._windows(file)])
        found = self.matcher.match(plain, n_views=1 / PLAIN_SHARE)
        described: dict[View, list[Descriptors]] = {}
        n_views = 1
        for window in self._windows(file):
            if self._is_explained(window.footage, found):
                continue
            views = views_of(window.footage)
            n_views = max(n_views, len(views))
            looks = map(self.matcher.promise, window.describe_all(views, LOOK_HOPS * hop_seconds))
            promise = dict(zip(views, looks, strict=True))
            chosen = [view for view in sorted(views, key=lambda each: -promise[each])[:SEARCHED_VIEWS] if promise[view]]
            for view, part in zip(chosen, window.describe_all(chosen, dense), strict=True):
                described.setdefault(view, []).append(part)
        for view, parts in described.items():
            found += self.matcher.match(join_rows(parts), view, n_views / VIEWS_SHARE)
        found = apart(found)
        if self.matcher.library.n_alike(plain):  # many sources hold this: a closer look would name only a few of them
            return plain, found
        doubtful = itertools.islice(self._doubtful(file, found), MOST_WINDOWS)
        return plain, look_closer(found, doubtful, self.parts, self.matcher.threshold)

    def _doubtful(self, file: FootageFile, found: Sequence[Match]) -> Iterator[tuple[ViewedFootage, list[Match]]]:
        """Yield the windows of a query with undecided spans, and the best of these of different references.

        Two videos may be shown at once. In a window that is surely explained only spans with a score above 0 count.
        """
        left, fps = sorted((match for match in found if not match.decision), key=_middle), self.encoder.shard_params.fps
        is_matched, begin = len(left) < len(found), 0
        for window in self._windows(file) if left else ():
            last = (window.footage.first_frame + len(window.footage)) / fps
            end = bisect_left(left, last, lo=begin, key=_middle)
            inside, begin = best_first(left[begin:end]), end
            is_sure = self._is_explained(window.footage, found, SURE_A_SECOND)
            best = {each.reference: each for each in reversed(inside) if each.score > 0 or not is_sure}
            if best:
                is_short = len(window.footage) <= FITTED_SECONDS * fps
                needs_more = window.footage.frames is None or is_short or is_matched
                yield window, best_first(best.values())[: MORE_CLOSER if needs_more else LOOKED_CLOSER]

    def _windows(self, file: FootageFile) -> Iterator[ViewedFootage]:
        overlap = self.encoder.clip.span_frames - 1
        return (ViewedFootage(file.source, each, self.encoder) for each in file.windows(WINDOW_SECONDS, overlap))

    def _is_explained(self, footage: Footage, found: Sequence[Match], least_a_second: float = 0.0) -> bool:
        shown = explained(footage, self.encoder.shard_params.fps, found, self.matcher.threshold, least_a_second)
        return bool(shown.mean() >= EXPLAINED_SHARE)


def _middle(match: Match) -> float:
    return (match.query_start_seconds + match.query_end_seconds) / 2


def explained(
    footage: Footage, fps: float, found: Sequence[Match], threshold: float, least_a_second: float = 0.0
) -> np.ndarray:
    """Tell which frames (T,) of a window matches cover that are decided by video, or by audio in a query without video.

    Args:
        footage: of the window.
        fps: of its frames.
        found: matches of the query.
        threshold: least score of video, or of audio.
        least_a_second: least such score for each second that a match covers.
    """
    covered = np.zeros(len(footage), bool)
    for match in found:
        alone = match.audio_score if footage.frames is None else match.video_score
        if match.decision and (alone or 0.0) >= max(threshold, least_a_second * match.query_seconds):
            ends = match.query_start_seconds, match.query_end_seconds
            first, last = (max(0, round(second * fps) - footage.first_frame) for second in ends)
            covered[first:last] = True
    return covered


def apart(matches: Sequence[Match]) -> list[Match]:
    """Of matches of one query that overlap in it with the same reference keep the best; best first."""
    kept = defaultdict[str, list[Match]](list)
    for match in best_first(matches):
        overlaps = (
            min(match.query_end_seconds, each.query_end_seconds)
            - max(match.query_start_seconds, each.query_start_seconds)
            for each in kept[match.reference]
        )
        if all(overlap <= SAME_SHARE * match.query_seconds for overlap in overlaps):
            kept[match.reference].append(match)
    return best_first(itertools.chain(*kept.values()))
