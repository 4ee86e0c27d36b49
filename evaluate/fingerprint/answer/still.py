"""Matching of images: which source shows the same as a still, and at which second.

Descriptors of clips tell little of a still, because they hold how a clip moves. So the frames of the archive are described
like a still: each as a clip in which it is repeated. Nothing changes in a still, so its score has a level only, and that
is bounded (match/chance.py): no score reaches the threshold in an archive of more than some seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evaluate.fingerprint.answer.matcher import Matcher
from evaluate.fingerprint.answer.viewed import PLAIN_SHARE, VIEWS_SHARE
from evaluate.fingerprint.describe.descriptors import Descriptors
from evaluate.fingerprint.describe.encoder import DescriptorEncoder
from evaluate.fingerprint.describe.extract import QUERY_SIDE_PX, MediaFile
from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.image import read_image_apart
from evaluate.fingerprint.describe.query_view import ViewedFootage, views_of
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.match.matches import Answer, Match, best_first
from evaluate.fingerprint.match.spans import Pair, score_of
from preprocess.errors import MediaError
from preprocess.executors.processes import Executor
from preprocess.media.media_info import Limits

SAME_FRAMES = 0.005
"""Frames before and after the most similar one count as the same as far as their cosines are less than this below."""


@dataclass(frozen=True)
class StillMatcher:
    """Answers images from a library of frames.

    Attributes:
        matcher: of the library.
        encoder: of its descriptors.
    """

    matcher: Matcher
    encoder: DescriptorEncoder

    def answer(self, name: str, image: np.ndarray) -> Answer:
        """Find for each source the frames that show most of an image; the best ones, however weak, are candidates.

        Args:
            name: of the image.
            image: (H, W, 3) uint8.
        """
        params = self.encoder.shard_params
        silence = torch.zeros(params.n_mels, params.columns_per_frame)
        footage = Footage(torch.from_numpy(image)[None], silence, torch.zeros(1, dtype=torch.bool))
        viewed, hop_seconds = ViewedFootage(name, footage, self.encoder), self.matcher.library.hop_seconds
        plain = viewed.describe(PLAIN, hop_seconds)
        views = [view for view in views_of(footage) if view.speed == view.pitch == 1]
        found = list(self._matches(plain, PLAIN, 1 / PLAIN_SHARE))
        for view in views:
            found += self._matches(viewed.describe(view, hop_seconds), view, len(views) / VIEWS_SHARE)
        best = {match.reference: match for match in reversed(best_first(found))}
        return self.matcher.answer(plain, best_first(best.values()), 1 / PLAIN_SHARE)

    def _matches(self, still: Descriptors, view: View, n_views: float) -> Iterator[Match]:
        library = self.matcher.library
        question = library.ask(still)
        if still.video is None or "video" not in question.found:
            return
        search, places = library.searches["video"], library.places(1) * n_views
        rows, expected = question.found["video"].rows[0], question.expected["video"]
        rows = rows[rows >= 0]
        _, firsts = np.unique(search.source[rows], return_index=True)
        numbers = search.source[rows[firsts]].tolist()
        for number, row, frames in zip(numbers, rows[firsts].tolist(), search.vectors_of(numbers), strict=True):
            cosines, at = frames @ still.video[0], row - search.rows_of(number).start
            others = np.flatnonzero(cosines < cosines[at] - SAME_FRAMES)
            until = np.searchsorted(others, at)
            first = others[until - 1] + 1 if until else 0
            last = others[until] - 1 if until < len(others) else len(frames) - 1
            seconds = search.middle_seconds[search.rows_of(number)][[first, last]]
            score = score_of({"video": Pair(np.zeros(1), still.video, frames[at][None], expected)}, places)
            start, end = (float(each) for each in seconds + np.array([-0.5, 0.5]) * library.hop_seconds)
            yield Match(
                still.source, library.sources[number], 0.0, 0.0, max(0.0, start), end, score, score >= self.matcher.threshold,
                score, None, view,
            )  # fmt: skip


def match_images(
    files: Sequence[MediaFile], matcher: StillMatcher, limits: Limits, executor: Executor
) -> Iterator[Answer]:
    """Read images where an executor runs, and match them; the answer for an unreadable one holds the reason."""
    for file in files:
        try:
            yield matcher.answer(file.name, read_image_apart(file.path, QUERY_SIDE_PX, limits, executor))
        except MediaError as error:
            yield Answer(file.name, 0.0, (), error.reason)
