from types import SimpleNamespace

import pytest
import torch

from evaluate.fingerprint.api import Index
from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.index.library import build_library
from evaluate.fingerprint.match.matches import Answer, Match
from evaluate.fingerprint.orientation import oriented
from tests.preprocess.made_media import run_ffmpeg, write_clip

FRAMES = 80
"""Of each video: 10 s."""


def footage_of(frames, params, first_frame=0):
    logmel = torch.zeros(params.n_mels, len(frames) * params.columns_per_frame)
    return Footage(frames, logmel, torch.zeros(len(frames), dtype=torch.bool), first_frame)


def video_of(seed, *, n_same=0):
    """Blocks that change twice a second, of 8 columns as many on the right as the left's image, (FRAMES, 64, 64, 3) uint8."""
    random = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (FRAMES // 4, 8, 8, 3), generator=random, dtype=torch.uint8)
    blocks[:, :, 8 - n_same :] = blocks[:, :, :n_same].flip(2)
    return blocks.repeat_interleave(4, 0).repeat_interleave(8, 1).repeat_interleave(8, 2)


@pytest.mark.parametrize("first_frame", [0, 24], ids=["from the start", "a window of its own before"])
@pytest.mark.parametrize("found_as", [PLAIN, View(is_mirrored=True)], ids=["found as it is", "found mirrored"])
@pytest.mark.parametrize("shown", ["as it is", "mirrored", "symmetric"])
def test_a_mirrored_clip_is_told_however_it_was_found(shown, found_as, first_frame, shipped_encoder):
    """A clip that looks the same both ways stays as it was found, and so does what was not decided."""
    params = shipped_encoder.shard_params
    video = video_of(1, n_same=4 if shown == "symmetric" else 0)
    sources = {"other": video_of(2), "shown": video}
    library = build_library(
        [ViewedFootage(name, footage_of(frames, params), shipped_encoder).describe(PLAIN, 0.5)
         for name, frames in sources.items()], 0.5,
    )  # fmt: skip
    query = video.flip(2) if shown == "mirrored" else video
    windows = [footage_of(query[:first_frame], params)] if first_frame else []
    windows.append(footage_of(query[first_frame:], params, first_frame))
    file = SimpleNamespace(source="q", params=params, windows=lambda *_: iter(windows))
    second = first_frame / params.fps
    found = Match("q", "shown", second, 10.0, second, 10.0, 9.0, True, video_score=9.0, view=found_as)
    weak = Match("q", "other", second, 10.0, second, 10.0, 1.0, False, video_score=1.0)
    heard = Match("q", "other", 0.0, 10.0, 0.0, 10.0, 5.0, True, video_score=-2.0, audio_score=7.0)
    told = oriented(Answer("q", 10.0, (found, heard, weak)), file, library, shipped_encoder)
    wanted = found_as.is_mirrored if shown == "symmetric" else shown == "mirrored"
    assert [each.view.is_mirrored for each in told.matches] == [wanted, False, False]
    assert [(each.reference, each.score) for each in told.matches] == [("shown", 9.0), ("other", 5.0), ("other", 1.0)]


def test_a_mirrored_clip_that_matches_as_it_is_is_told(tmp_path):
    """Three columns of four are the same in its mirror image."""
    (tmp_path / "archive").mkdir()
    for seed, n_same in enumerate((3, 0, 0, 0)):
        write_clip(tmp_path / "archive" / f"{seed}.mp4", video_of(seed, n_same=n_same).numpy(), 8)
    index = Index.open(tmp_path / "index")
    index.add(tmp_path / "archive")
    for filters, is_mirrored in (("null", False), ("hflip", True)):
        query = run_ffmpeg(
            "-ss", 1, "-t", 7, "-i", tmp_path / "archive" / "0.mp4", "-vf", filters, tmp_path / "query.mp4"
        )
        (match,) = index.match(query).decided
        assert (match.reference, match.view.is_mirrored) == ("0.mp4", is_mirrored)
        assert match.reference_start_seconds == pytest.approx(1 + match.query_start_seconds, abs=0.5)
