from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from evaluate.fingerprint.answer.viewed import ViewMatcher, apart, explained
from evaluate.fingerprint.describe.descriptors import join_rows
from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.match.matches import Match


def match(reference, start, end, score, view=PLAIN):
    return Match("q", reference, start, end, start + 5, end + 5, score, score >= 3, view=view)


def test_of_views_of_the_same_seconds_and_reference_the_best_is_kept():
    plain, mirrored = match("a", 0, 5, 4.0), match("a", 0.2, 5, 9.0, View(is_mirrored=True))
    beside, later = match("b", 0, 5, 3.5), match("a", 4.5, 9, 6.0)
    assert apart([plain, mirrored, beside, later]) == [mirrored, later, beside]


def test_seconds_that_two_references_share_explain_a_window_once():
    """Or the other seconds of it would not be looked at in views."""
    logmel = torch.zeros(1, 24 * 8)
    window = Footage(None, logmel, torch.ones(24 * 8, dtype=torch.bool), first_frame=80)
    shared = [replace(match(name, 10, 20, 5.0), audio_score=5.0) for name in ("a", "its copy")]
    weak, seen = replace(match("b", 25, 30, 2.0), audio_score=2.0), replace(match("c", 25, 30, 5.0), video_score=5.0)
    covered = explained(window, 8.0, [*shared, weak, seen], 3.0)
    assert np.flatnonzero(covered).tolist() == list(range(80))


@pytest.mark.parametrize(
    ("seconds", "score", "n_looked_at"),
    [(5, None, 3), (2, None, 6), (5, 5.0, 6), (5, 15.0, 1)],
    ids=["nothing decided", "short", "perhaps one of two blended videos", "surely all of it"],
)
def test_spans_are_looked_at_closer_where_there_is_a_doubt(seconds, score, n_looked_at, shipped_encoder):
    frames = torch.zeros(8 * seconds, 64, 64, 3, dtype=torch.uint8)
    window = Footage(frames, torch.zeros(64, 1), torch.zeros(8 * seconds, dtype=torch.bool))
    file = SimpleNamespace(source="q", windows=lambda *_: [window])
    matcher = ViewMatcher(SimpleNamespace(threshold=3.0), shipped_encoder, None)
    found = [match(f"other-{number}", 0, seconds, 0.5 - number) for number in range(8)]
    if score is not None:
        found.insert(0, replace(match("a", 0, seconds, score), video_score=score))
    ((_, looked_at),) = matcher._doubtful(file, found)
    assert [each.reference for each in looked_at] == [f"other-{number}" for number in range(n_looked_at)]


@pytest.mark.parametrize("speed", [0.53, 1.0, 1.85])
def test_the_windows_of_a_long_query_join_in_order_at_every_speed(speed, shipped_encoder):
    """Windows overlap by a clip; at another speed by more or less than one."""
    params, clip_frames = shipped_encoder.shard_params, shipped_encoder.clip.span_frames
    n_frames, half, overlap = 480, 240, clip_frames - 1
    logmel = torch.randn(params.n_mels, n_frames * params.columns_per_frame, generator=torch.Generator().manual_seed(0))
    whole = Footage(None, logmel, torch.ones(n_frames, dtype=torch.bool))
    parts = [whole.part(0, half + overlap), whole.part(half, n_frames)]
    joined = join_rows([ViewedFootage("q", each, shipped_encoder).describe(View(speed=speed), 0.125) for each in parts])
    hops = np.diff(joined.start_seconds)
    assert hops.min() > 0 and hops.max() <= 0.125 + max(0.0, 1 - speed) * clip_frames / params.fps + 1e-6
    assert joined.end_seconds[-1] == pytest.approx(speed * n_frames / params.fps, abs=0.2)
