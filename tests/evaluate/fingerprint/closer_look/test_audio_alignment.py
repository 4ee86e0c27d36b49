"""The same audio: found at another time, pitch and volume and below noise, music and a room; not in what only resembles."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from evaluate.fingerprint.benchmark.distort.audio import music, mute, noise, reverb
from evaluate.fingerprint.closer_look.audio_alignment import LEAST_COLUMNS, STEPS, align, excerpt_of, passage_of
from preprocess.features.logmel import log_mel
from preprocess.schema import PRESETS
from tests.evaluate.fingerprint.closer_look.test_video_alignment import SURE

SHIPPED = PRESETS["fingerprint"]
RATE_HZ, HOP = SHIPPED.sample_rate_hz, SHIPPED.hop_length


def heard(waveform, n_steps=1):
    """The log-mel of a waveform (N,), with so many columns for one."""
    logmel = log_mel(waveform.astype(np.float32), replace(SHIPPED, hop_length=HOP // n_steps))
    return torch.from_numpy(logmel.astype(np.float32))


def course(rng, n, seconds):
    """A random course in time, (n,) of about 1, that changes within so many seconds."""
    knots = rng.normal(size=int(n / RATE_HZ / seconds) + 2)
    return np.interp(np.arange(n) / RATE_HZ / seconds, np.arange(len(knots)), knots)


def voices(seed, seconds):
    """Thirty tones that rise and fall each at its own time, like a crowd or a band, (N,) float64."""
    rng = np.random.default_rng(seed)
    n, hz = int(seconds * RATE_HZ), np.exp(rng.uniform(np.log(100), np.log(7000), 30))
    tones = (np.exp(1.5 * course(rng, n, 0.08)) * np.sin(2 * np.pi * each * np.arange(n) / RATE_HZ) for each in hz)
    return 0.01 * sum(tones) + 1e-4 * rng.normal(size=n)


def seconds_of(waveform, start, length):
    return waveform[int(start * RATE_HZ) : int((start + length) * RATE_HZ)]


def column_of(second):
    """The reference's column whose middle is that of a query's first one, if the query begins at a second."""
    return second * RATE_HZ / HOP * STEPS + (STEPS - 1) / 2


def whole(logmel):
    return excerpt_of(logmel, 0, logmel.shape[1])


def passage(waveform):
    return passage_of(heard(waveform, STEPS), 6 * RATE_HZ // HOP * STEPS, 1.0)


def judged(query, reference):
    return align(whole(heard(query)), passage(reference)).surprise


EDITS = {
    "none": lambda clip, _: clip,
    "a second": lambda clip, _: clip[:RATE_HZ],
    "quieter": lambda clip, _: 0.03 * clip,
    "brighter": lambda clip, _: np.diff(clip),  # 6 dB an octave
    "noise": lambda clip, random: noise(clip, random, 5.0),
    "music": lambda clip, random: music(clip, random, 0.0),
    "room": lambda clip, random: reverb(clip, random, 0.6),
    "muted": lambda clip, random: mute(clip, random, 0.5),
    "mixed": lambda clip, _: clip + voices(9, 3)[: len(clip)],
}


@pytest.mark.parametrize(("edit", "n_bands"), [*((edit, 0) for edit in EDITS), ("none", -3), ("none", 3)])
def test_a_clip_is_found_where_it_begins_though_it_was_edited_or_has_another_pitch(edit, n_bands):
    source = voices(1, 8).astype(np.float32)
    clip = EDITS[edit](seconds_of(source, 2.203, 3).copy(), np.random.default_rng(0))
    aligned = align(whole(heard(clip).roll(n_bands, 0)), passage(source))
    assert aligned.surprise > SURE
    assert aligned.first_column == pytest.approx(column_of(2.203), abs=1)


@pytest.mark.parametrize("seconds", [0.9, 1.0, 1.7, 3.0])
def test_unrelated_recordings_are_no_more_surprising_than_chance_says(seconds):
    surprises = np.array([judged(voices(100 + n, seconds), voices(200 + n, 6)) for n in range(60)])
    assert (surprises > np.log(100)).mean() <= 0.05  # 0.01 is stated
    assert (surprises < SURE).all()


def sine(turns):
    return np.sin(2 * np.pi * turns)


def repeated(wave):
    """Recordings of wave(time), each from another moment on and before another microphone's noise."""

    def recorded(seed, seconds):
        time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ + np.random.default_rng(seed).uniform(0, 10)
        return wave(time) + 0.003 * np.random.default_rng(seed).normal(size=len(time))

    return recorded


def chime(time):
    """Four notes, again and again."""
    hz = np.array([660, 880, 740, 990])[(time / 0.4 % 4).astype(int)]
    return 0.1 * np.exp(-6 * (time % 0.4)) * sum(sine(k * hz * time) / k for k in (1, 2, 3))


def siren(time, period_seconds):
    return 0.2 * sine(np.cumsum(1000 + 500 * sine(time / period_seconds)) / RATE_HZ)


def knock(seed, seconds):
    """One knock, the same in all."""
    n = int(seconds * RATE_HZ)
    shown, at = 0.003 * np.random.default_rng(seed).normal(size=n), n // 2
    shown[at:] += 0.5 * np.random.default_rng(0).normal(size=n - at) * np.exp(-np.arange(n - at) / RATE_HZ * 20)
    return shown


def fade(seed, seconds):
    n = int(seconds * RATE_HZ)
    return 0.1 * np.random.default_rng(seed).normal(size=n) * np.linspace(0, 1, n) ** 2


def claps(seed, seconds):
    """Noise that rises and falls in all bands at once, at the same moments each time, of other samples."""
    n = int(seconds * RATE_HZ)
    return 0.05 * np.exp(1.5 * course(np.random.default_rng(0), n, 0.08)) * np.random.default_rng(seed).normal(size=n)


TURNING = {
    "metronome": repeated(lambda time: 0.3 * np.exp(-60 * (time % 0.5)) * sine(1000 * (time % 0.5))),
    "alarm": repeated(lambda time: 0.2 * sine(np.where(time % 0.5 < 0.25, 900, 1300) * time) * (time % 0.25 < 0.15)),
    "chime": repeated(chime),
}
ALIKE = TURNING | {
    "hum": repeated(lambda time: sum(0.1 / k * sine(50 * k * time) for k in range(1, 20))),
    "knock": knock, "fade": fade, "claps": claps,
    **{f"siren of {each} s": repeated(partial(siren, period_seconds=each)) for each in (1.5, 2.0, 3.0, 4.0)},
}  # fmt: skip


@pytest.mark.parametrize("audio", ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize(("query_seconds", "reference_seconds"), [(3, 11), (5, 13), (5, 6)])
def test_what_is_alike_without_being_the_same_is_no_copy(audio, query_seconds, reference_seconds):
    """Also at the end of a file, where few seconds are left around the place."""
    for seed in range(4):
        assert judged(audio(300 + seed, query_seconds), audio(400 + seed, reference_seconds)) < SURE


@pytest.mark.parametrize("audio", TURNING.values(), ids=TURNING)
def test_what_comes_again_in_the_reference_hardly_surprises(audio):
    """A query too short to be compared with itself."""
    for seed in range(4):
        assert judged(audio(300 + seed, 1.7), audio(400 + seed, 9.7)) < np.log(30)


@pytest.mark.parametrize("period_seconds", [5.5, 7.0])
def test_a_turn_that_only_the_rest_of_the_query_shows_is_no_copy(period_seconds):
    """A piece of 5 s in the middle of 20 s of a jingle, and a reference that holds it once."""
    jingle = voices(5, period_seconds)
    random = np.random.default_rng(0)
    played, once = (each + 0.002 * random.normal(size=len(each)) for each in (np.tile(jingle, 4), jingle))
    query, first, n = heard(seconds_of(played, 1.0, 20)), int(8 * RATE_HZ / HOP), int(5 * RATE_HZ / HOP)
    alone, within = excerpt_of(query[:, first : first + n], 0, n), excerpt_of(query, first, first + n)
    reference = passage(np.concatenate([voices(6, 3), once, once[: 2 * RATE_HZ]]))
    assert align(alone, reference).surprise > SURE > align(within, reference).surprise


def test_a_quiet_copy_is_found_beside_what_is_loud():
    source = voices(1, 12)
    query = np.concatenate([0.01 * seconds_of(source, 2.2, 5), voices(2, 3)])
    excerpt = excerpt_of(heard(query), 0, int(5 * RATE_HZ / HOP))
    assert excerpt.elsewhere < 0.5
    assert align(excerpt, passage(source)).surprise > SURE


def test_the_hops_of_all_presets_divide():
    assert all(params.hop_length % STEPS == 0 for params in PRESETS.values())


def test_silence_and_references_that_are_too_short_tell_nothing():
    silence = np.zeros(6 * RATE_HZ)
    assert judged(silence[: 3 * RATE_HZ], silence) < 1
    assert judged(voices(0, 3), silence) < SURE
    query = heard(voices(0, 3))
    for short in (2.9, 3.1, 3.7):  # at the last there are starts, but too few to tell a spread
        assert align(whole(query), passage(voices(1, short))) is None
    assert excerpt_of(query, 7, 6 + LEAST_COLUMNS) is None
    assert passage_of(query[:, :10], 10, 1.0) is None
