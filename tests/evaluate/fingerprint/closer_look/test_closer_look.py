"""A closer look at spans: the seconds it finds, in views, at speeds, and at a file's start; what cannot be read stays."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluate.fingerprint.closer_look import closer_look
from evaluate.fingerprint.closer_look.closer_look import FALSE_MATCH_SHARE, look_closer
from evaluate.fingerprint.closer_look.look_at_video import look_at_video
from evaluate.fingerprint.closer_look.piece import Look
from evaluate.fingerprint.describe.footage import Footage
from evaluate.fingerprint.describe.query_view import ViewedFootage
from evaluate.fingerprint.describe.view import PLAIN, Region, View
from evaluate.fingerprint.match.matches import Match
from preprocess.features.logmel import log_mel
from tests.evaluate.fingerprint.closer_look.test_audio_alignment import seconds_of, voices
from tests.evaluate.fingerprint.closer_look.test_video_alignment import moving
from train.views.distort_audio import shift_pitch

FPS, RATE, SECONDS = 8.0, 96, 20
WAVEFORM = voices(3, 12)


@functools.cache
def source():
    """Textures that drift over each other, (T, 64, 64) float32 at RATE frames a second."""
    return moving(0, RATE * SECONDS, step=8 / RATE)


class Parts:
    """The one reference: `source` and the audio of WAVEFORM."""

    def brightness(self, name, start, seconds, fps):
        at = ((start + (np.arange(round(seconds * fps)) + 0.5) / fps) * RATE).astype(int)
        return source()[at[at < RATE * SECONDS]].clamp(0, 255).byte().numpy() if name == "source" else None

    def logmel(self, _name, start, seconds, params):
        return log_mel(seconds_of(WAVEFORM, start, seconds).astype(np.float32), params)


def query(encoder, start, seconds, speed=1.0, view=PLAIN):
    """A window of a silent query that shows the source from a second on, edited as the view says."""
    at = ((start + speed * (np.arange(round(seconds * FPS)) + 0.5) / FPS) * RATE).astype(int)
    frames = source()[at].clamp(0, 255).byte()[..., None].repeat(1, 1, 1, 3)
    frames = frames.flip(2) if view.is_mirrored else frames
    if view.region != PLAIN.region:
        host = torch.zeros(len(frames), 128, 128, 3, dtype=torch.uint8)
        rows, columns = view.region.pixels(128, 128)
        host[:, rows, columns] = frames
        frames = host
    silence = torch.zeros(encoder.shard_params.n_mels, len(frames) * encoder.shard_params.columns_per_frame)
    return ViewedFootage("query", Footage(frames, silence, torch.zeros(len(frames), dtype=torch.bool)), encoder)


def looked(window, *doubts):
    """What a closer look makes of spans with their middle in a window."""
    return look_closer(doubts, [(window, doubts)], Parts(), 3.0)


def undecided(seconds, found_at, view=PLAIN, speed=1.0, reference="source"):
    return Match("query", reference, 0.0, seconds, found_at, found_at + speed * seconds, -1.0, False, -1.0, None, view)


@pytest.mark.parametrize(
    ("seconds", "speed", "view", "off"),
    [
        (1.0, 1.0, PLAIN, 2.0),
        (4.0, 1.0, View(is_mirrored=True), 0.7),
        (3.0, 1.0, View(Region(0.5, 0.5, 1.0, 1.0)), -0.7),
        (3.0, 1.4, View(speed=1.42), 0.5),
    ],
)
def test_the_same_seconds_are_decided_and_placed(seconds, speed, view, off, shipped_encoder):
    window = query(shipped_encoder, 7.3, seconds, speed, view)
    [found] = looked(window, undecided(seconds, 7.3 + off, view, speed))
    assert found.decision and found.video_score == found.score > 3
    assert found.reference_start_seconds == pytest.approx(7.3, abs=0.1)
    assert found.reference_end_seconds == pytest.approx(7.3 + speed * seconds, abs=0.2)


def test_a_span_is_cut_where_its_reference_ends(shipped_encoder):
    window = query(shipped_encoder, SECONDS - 3.5, 3.5)
    [found] = looked(window, undecided(4.5, SECONDS - 4.2))
    assert found.reference_end_seconds == pytest.approx(SECONDS, abs=0.05)
    assert found.query_end_seconds == pytest.approx(3.5, abs=0.1)


def sounds(encoder, start, seconds, speed=1.0, *, keeps_pitch=True, noise=0.0):
    """The log-mel of WAVEFORM from a second on, played at a speed, and at the same pitch or that of the speed."""
    params = encoder.shard_params
    at = (np.arange(int(seconds * params.sample_rate_hz)) * speed + start * params.sample_rate_hz).astype(int)
    waveform = WAVEFORM[at] + noise * np.random.default_rng(0).normal(size=len(at))
    logmel = torch.from_numpy(log_mel(waveform.astype(np.float32), params).astype(np.float32))
    if speed == 1.0 or not keeps_pitch:
        return logmel
    return shift_pitch(logmel[None], logmel.new_tensor([1 / speed]), params.sample_rate_hz)[0]


def heard(encoder, logmel):
    """A window of a query without video."""
    has_audio = torch.ones(logmel.shape[1] // encoder.shard_params.columns_per_frame, dtype=torch.bool)
    return ViewedFootage("query", Footage(None, logmel, has_audio), encoder)


def audible(seconds, found_at, speed=1.0):
    return Match("query", "source", 0.0, seconds, found_at, found_at + speed * seconds, -1.0, False, None, -1.0)


@pytest.mark.parametrize(("speed", "told"), [(1.0, 1.03), (1.15, 1.135)])
def test_the_same_sound_is_decided_and_placed(speed, told, shipped_encoder):
    """Not at the speed that the span tells, but at one nearby."""
    window = heard(shipped_encoder, sounds(shipped_encoder, 5.3, 3.0, speed))
    [found] = looked(window, audible(3.0, 5.8, told))
    assert found.decision and found.audio_score == found.score > 3
    assert found.reference_start_seconds == pytest.approx(5.3, abs=0.05)
    assert found.reference_end_seconds == pytest.approx(5.3 + speed * 3, abs=0.05)


@pytest.mark.parametrize("keeps_pitch", [True, False])
@pytest.mark.parametrize("speed", [0.87, 1.11])
def test_the_same_sound_is_decided_at_a_speed_that_the_span_does_not_tell(speed, keeps_pitch, shipped_encoder):
    """Also below noise, where a pitch that is not undone tells little."""
    logmel = sounds(shipped_encoder, 4.3, 5.0, speed, keeps_pitch=keeps_pitch, noise=0.25)
    [found] = looked(heard(shipped_encoder, logmel), audible(5.0, 4.1))
    assert found.score > 10
    assert found.reference_start_seconds == pytest.approx(4.3, abs=0.1)
    assert found.speed == pytest.approx(speed, abs=0.02)


def test_of_a_span_with_a_cut_in_it_a_half_is_decided_and_placed(shipped_encoder):
    before, after = sounds(shipped_encoder, 2.3, 2.75), sounds(shipped_encoder, 6.3, 2.25)
    [found] = looked(heard(shipped_encoder, torch.cat([before, after], 1)), audible(5.0, 2.3, 1.15))
    assert found.decision
    assert (found.query_start_seconds, found.query_end_seconds) == (0.0, 2.5)
    assert found.reference_start_seconds == pytest.approx(2.3, abs=0.05)
    assert found.reference_end_seconds == pytest.approx(4.8, abs=0.1)


def test_a_sure_half_tells_the_seconds_though_the_whole_is_decided(shipped_encoder):
    before, after = sounds(shipped_encoder, 2.3, 3.05), sounds(shipped_encoder, 7.3, 1.95)
    [found] = looked(heard(shipped_encoder, torch.cat([before, after], 1)), audible(5.0, 2.3))
    assert found.decision
    assert (found.query_start_seconds, found.query_end_seconds) == (0.0, 2.5)


def test_audio_of_a_video_is_not_compared_at_all_speeds(shipped_encoder):
    shown = query(shipped_encoder, 5.3, 5.0).footage
    logmel = sounds(shipped_encoder, 4.3, 5.0, 1.11)
    for frames, is_decided in ((None, True), (torch.zeros_like(shown.frames), False)):
        footage = replace(shown, frames=frames, logmel=logmel, has_audio=~shown.has_audio)
        [found] = looked(ViewedFootage("query", footage, shipped_encoder), audible(5.0, 4.1))
        assert found.decision == is_decided


def test_the_parts_of_the_allowance_are_not_more_than_all_of_it(shipped_encoder):
    """The score of a look is lower by the logarithm of its part: by rank in its window, kinds and windows alike."""
    shown = query(shipped_encoder, 5.3, 3.0).footage
    footage = replace(shown, logmel=sounds(shipped_encoder, 5.3, 3.0, noise=0.1), has_audio=~shown.has_audio)
    window = ViewedFootage("query", footage, shipped_encoder)
    names = ["source", *"12345"]
    spans = [replace(audible(3.0, 5.3), reference=name, video_score=-1.0) for name in names]
    [alone] = looked(window, audible(3.0, 5.3))
    found = look_closer(spans, [(window, spans[:4]), (window, spans[4:])], Parts(), 3.0)
    shares = {each.reference: 10 ** (each.audio_score - alone.score) / 2 for each in found}
    assert shares["source"] == pytest.approx(1 / 8)  # of two windows, two kinds, half for the first
    assert shares["3"] < shares["2"] < shares["1"] < shares["source"] == pytest.approx(shares["4"])
    assert 2 * sum(shares.values()) <= 1


@pytest.mark.parametrize(
    ("n_windows", "n_spans", "kinds"),
    [
        (1, 3, {"video": 1, "audio": 1}),
        (1, 6, {"audio": 2, "audio at all speeds": 78}),
        (3, 3, {"video": 2, "audio": 2}),
    ],
)
def test_unrelated_looks_are_decided_as_often_as_they_may_be(n_windows, n_spans, kinds, shipped_encoder, monkeypatch):
    """By chance alone, the surprise of the best of n tries is the largest of n exponential variables."""
    random = np.random.default_rng(0)
    looks = {
        kind: lambda match, *_args, _kind=kind, _n=n_tries, **_: [
            Look(match, match, _kind, random.exponential(size=_n).max(), _n)
        ]
        for kind, n_tries in kinds.items()
    }
    monkeypatch.setattr(closer_look, "look_at_video", looks.get("video", lambda *_: []))
    monkeypatch.setattr(
        closer_look, "look_at_audio",
        lambda *args, **given: [each for kind in looks if kind != "video" for each in looks[kind](*args, **given)],
    )  # fmt: skip
    window = heard(shipped_encoder, sounds(shipped_encoder, 0, 1.0))
    spans = [replace(audible(1.0, 0.0), reference=str(number), video_score=-1.0) for number in range(n_spans)]
    n_decided = sum(any(each.decision for each in look_closer(spans, [(window, spans)] * n_windows, Parts(), 0.0))
                    for _ in range(3000))  # fmt: skip
    allowed = FALSE_MATCH_SHARE * n_spans / (n_spans + 1)
    assert n_decided / 3000 == pytest.approx(allowed, abs=0.02)


def test_frames_at_two_speeds_are_two_tries(shipped_encoder):
    view = View(speed=1.25)
    for seconds, n_tries in ((2.0, 2), (4.0, 1)):
        window = query(shipped_encoder, 7.3, seconds, 1.0, view)
        looks = look_at_video(undecided(seconds, 7.5, view), window, Parts())
        assert [each.n_tries for each in looks] == [n_tries] * n_tries


def test_other_audio_stays_undecided_at_all_speeds(shipped_encoder):
    for start in (0.0, 3.0):
        logmel = log_mel(seconds_of(voices(11, 12), start, 5).astype(np.float32), shipped_encoder.shard_params)
        [found] = looked(heard(shipped_encoder, torch.from_numpy(logmel.astype(np.float32))), audible(5.0, 3.0))
        assert not found.decision


def test_a_span_that_both_looks_decide_has_both_scores(shipped_encoder):
    shown = query(shipped_encoder, 5.3, 3.0).footage
    footage = replace(shown, logmel=sounds(shipped_encoder, 5.3, 3.0), has_audio=~shown.has_audio)
    window = ViewedFootage("query", footage, shipped_encoder)
    [found] = looked(window, replace(undecided(3.0, 5.6), audio_score=-1.0))
    assert found.decision and min(found.video_score, found.audio_score) > 3
    assert found.score == max(found.video_score, found.audio_score) and found.matched_by == "both"


def test_a_span_does_not_begin_before_its_reference(shipped_encoder):
    window = query(shipped_encoder, 0.0, 2.0)
    [found] = looked(window, replace(undecided(2.0, 0.4), query_start_seconds=-0.5))
    assert found.decision and found.reference_start_seconds == 0
    assert found.query_start_seconds == pytest.approx(0, abs=0.1)


def test_other_seconds_and_what_cannot_be_read_or_is_too_short_stay_as_they_are(shipped_encoder):
    elsewhere, gone = undecided(2.0, 1.0), undecided(2.0, 12.0, reference="gone")
    found = looked(query(shipped_encoder, 12.0, 2.0), elsewhere, gone)
    assert gone in found and not any(each.decision for each in found)
    [short] = looked(query(shipped_encoder, 3.0, 0.125), undecided(0.1, 3.0))
    assert not short.decision
