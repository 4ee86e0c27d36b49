"""In noise nothing moves, so whatever tells speed, direction or order there is a short-cut of the code's own making.

Noise goes the whole way: written by the real writer, decoded by DALI, cut by the trainer's plans. Then a linear
classifier looks at the statistics that short-cuts leave (how neighbours in time are alike, how power and variance run,
what frame borders hold), and in the long test the network itself is trained. All tasks must stay at chance. Planted
short-cuts show that both would be found.
"""

import functools
import logging

import numpy as np
import pytest
import torch

from preprocess.features.logmel import log_mel
from preprocess.schema import PRESETS
from tests.train.noise import four_sigma, held_out_share, look_at, noise_waveform, statistics, write_noise
from train.config.load import load_config
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer
from train.views.views import gather_columns

logger = logging.getLogger("noise")

CONFIG = load_config("sample", objective="temporal")
SPEEDS = CONFIG.clip.speeds


def report(name, reached, chance, n):
    """For docs/explanation/method.md: pytest --log-cli-level=INFO shows it. Return whether it is more than guessing."""
    logger.info("%s: %.3f, guessing %.3f, n %d", name, reached, chance, n)
    return reached >= four_sigma(chance, n)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """48 sources of noise, a third of them 60 per cent of a window long."""
    return write_noise(tmp_path_factory.mktemp("noise") / "shards", 48)


@pytest.fixture(scope="module")
def findings(shards):
    """In 24 batches of 32 segments: 768 pairs, 1,536 clips."""
    return look_at(shards, CONFIG, 24)


# --- Short-cuts that must not be there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("pixels", "speed_video"), ("pixels", "direction_video"), ("pixels", "order_video"), ("sound", "direction_audio"),
        ("sound", "order_audio"), ("next to borders", "speed_video"), ("next to borders", "direction_video"),
        ("borders", "speed_video"), ("borders", "direction_video"),
    ],
)  # fmt: skip
def test_clips_of_noise_say_nothing_of_a_task(findings, kind, head):
    assert not report(f"{kind}, {head}", *held_out_share(*findings.rows(kind, head)))


SOUNDS = {"sample": (PRESETS["sample"], 8, 800), "default": (PRESETS["default"], 16, 1600)}
"""Shard parameters, frames a clip, clips."""


@functools.cache
def noise_by_speed(name):
    """Log-mels of white noise, each long enough for a clip at 8x, (n, n_mels, C), and by turns a speed for each, (n,)."""
    params, n_frames, n = SOUNDS[name]
    length = (n_frames - 1) * SPEEDS[-1] + 1
    sounds = [log_mel(noise_waveform(i, length * params.samples_per_frame), params) for i in range(n)]
    return torch.from_numpy(np.stack(sounds)).float(), torch.arange(n) % len(SPEEDS)


@pytest.mark.parametrize("name", ["sample", pytest.param("default", marks=pytest.mark.slow)])
def test_sound_of_noise_says_nothing_of_the_speed(name):
    params, n_frames, n = SOUNDS[name]
    (logmel, speed), start = noise_by_speed(name), torch.zeros(n, dtype=torch.long)
    stride, limit = torch.tensor(SPEEDS)[speed], torch.full((n,), logmel.shape[2] // params.columns_per_frame)
    cut = gather_columns(logmel, limit, start, stride, start > 0, n_frames, params.columns_per_frame)
    found, speed = statistics(cut.numpy()), speed.numpy()
    alike = [found[speed == k, 0].mean() for k in range(len(SPEEDS))]
    logger.info("%s: correlation of neighbouring columns by speed %s", name, np.round(alike, 4))
    assert np.abs(alike).max() < 0.01
    assert not report(name, *held_out_share(found, speed))


def averaged(x, stride, n_columns):
    """The planted short-cut: means of `stride` columns each, (n_mels, C) to (n_mels, n_columns)."""
    return x[:, : n_columns * stride].exp().unflatten(1, (-1, stride)).mean(2).log()


def test_averaged_columns_would_give_the_speed_away():
    params, n_frames, _ = SOUNDS["sample"]
    n_columns = (n_frames - 1) * params.columns_per_frame  # one fewer than taken: whole groups
    logmel, speed = noise_by_speed("sample")
    clips = torch.stack([averaged(x, SPEEDS[k], n_columns) for x, k in zip(logmel, speed, strict=True)])
    shares = held_out_share(statistics(clips.numpy()), speed.numpy())
    assert report("averaged", *shares)
    assert shares[0] > 0.9


# --- The network itself -------------------------------------------------------------------------------------------------


STEPS = 80
"""In which a planted short-cut is found, as the last test shows."""


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory):
    """256 sources of noise, 64 of them held out."""
    return write_noise(tmp_path_factory.mktemp("noise") / "many", 256)


def learnt(shards, run):
    """Accuracy of the temporal tasks alone on held-out clips (4,096; 2,048 pairs less those without room), and whether
    it is more than guessing, by the sample preset."""
    split = ["data.split=1:train", "heldout.split=1:test", "heldout.n_batches=64"]
    config = load_config("sample", [f"data.shards={shards}", *split, f"steps={STEPS}"], "temporal")
    trainer = Trainer(config, run, join_world("cpu"))
    assert trainer.train()
    return {
        name: (score.accuracy, report(name, score.accuracy, score.commonest, score.n_labels))
        for name, score in trainer.scores.items()
    }


@pytest.mark.slow
def test_a_network_trained_on_noise_is_at_chance_on_held_out_noise(many_shards, tmp_path):
    found = learnt(many_shards, tmp_path)
    assert len(found) == 7
    assert not [name for name, (_, is_learnt) in found.items() if is_learnt]


@pytest.mark.slow
def test_a_network_finds_a_planted_short_cut(many_shards, tmp_path, monkeypatch):
    def gather_averaged(logmel, _n_frames, start, stride, reverse, length, columns_per_frame):
        n_columns = (length - 1) * columns_per_frame
        rows = zip(logmel, start * columns_per_frame, stride, reverse, strict=True)
        clips = [averaged(x[:, first:], int(step), n_columns).flip(1 if back else ()) for x, first, step, back in rows]
        return torch.stack(clips)

    monkeypatch.setattr("train.views.training_clips.gather_columns", gather_averaged)
    found = learnt(many_shards, tmp_path)
    assert found["speed_audio"][0] > 0.9
    assert not found["direction_audio"][1]
