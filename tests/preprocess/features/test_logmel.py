"""Log-mel against a slow version in plain numpy, and loudness by tones."""

import math

import numpy as np
import pytest

import preprocess.features.logmel as logmel_module
from preprocess.features.logmel import DBFS_FLOOR, log_mel, rms_dbfs, silence
from preprocess.schema import MEL_POWER_FLOOR, PRESETS, ShardParams
from tests.preprocess.made_media import tone


def slow_mel_power(waveform: np.ndarray, params: ShardParams) -> np.ndarray:
    """(n_mels, columns), one column at a time.

    HTK: mel = 2595 log10(1 + f / 700), n_mels + 2 equal steps from 0 to half the sampling rate.
    """
    top = 2595 * math.log10(1 + params.sample_rate_hz / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, params.n_mels + 2) / 2595) - 1)
    bins = np.arange(params.n_fft // 2 + 1) * params.sample_rate_hz / params.n_fft
    triangles = np.stack(
        [
            np.clip(np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)), 0, None)
            for low, mid, high in zip(edges, edges[1:], edges[2:], strict=False)
        ]
    )
    window = np.zeros(params.n_fft)
    before = (params.n_fft - params.win_length) // 2
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(params.win_length) / params.win_length)
    window[before : before + params.win_length] = hann
    surrounded = np.pad(waveform, len(waveform))
    columns = []
    for column in range(len(waveform) // params.hop_length):
        middle = len(waveform) + column * params.hop_length + params.hop_length // 2
        samples = surrounded[middle - params.n_fft // 2 : middle + params.n_fft // 2]
        spectrum = np.abs(np.fft.rfft(window * samples)) ** 2
        columns.append(triangles @ spectrum)
    return np.stack(columns, axis=1) * 4 / (params.n_fft * np.sum(window**2))


@pytest.mark.parametrize(("preset", "columns_per_block"), [("default", 7), ("sample", 4096)])
def test_equals_the_slow_version_also_across_blocks(preset, columns_per_block, monkeypatch):
    monkeypatch.setattr(logmel_module, "COLUMNS_PER_BLOCK", columns_per_block)
    params = PRESETS[preset]
    noise = np.random.default_rng(0).normal(0, 0.1, 24 * params.samples_per_frame).astype(np.float32)
    expected = np.log(np.maximum(slow_mel_power(noise, params), MEL_POWER_FLOOR))
    found = log_mel(noise, params)
    assert found.dtype == np.float16
    assert found.shape == (params.n_mels, 24 * params.columns_per_frame)
    np.testing.assert_allclose(found.astype(float), expected, atol=0.01)


def test_silence_is_what_zeros_give():
    params = PRESETS["default"]
    zeros = log_mel(np.zeros(8 * params.samples_per_frame, np.float32), params)
    assert np.array_equal(zeros, silence(32, params))
    assert silence(32, params).dtype == np.float16


def test_rms_dbfs(monkeypatch):
    assert rms_dbfs(tone(1.0, 1000, 1.0)) == pytest.approx(0.0, abs=0.01)
    assert rms_dbfs(tone(1.0, 1000, 0.01)) == pytest.approx(-40.0, abs=0.01)
    assert rms_dbfs(np.zeros(100, np.float32)) == DBFS_FLOOR
    assert rms_dbfs(np.zeros(0, np.float32)) == DBFS_FLOOR
    monkeypatch.setattr(logmel_module, "SAMPLES_PER_BLOCK", 999)
    assert rms_dbfs(tone(1.0, 1000, 1.0)) == pytest.approx(0.0, abs=0.01)
