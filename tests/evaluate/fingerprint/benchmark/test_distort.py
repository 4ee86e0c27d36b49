"""Distortions on real media: the picture's brightness is a clock, so the ground truth can be read off the pixels."""

import subprocess

import numpy as np
import pytest

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort import audio
from evaluate.fingerprint.benchmark.distort.catalogue import CATALOGUE, NAMES, choose, draw_pair
from evaluate.fingerprint.benchmark.distort.render import Order, rendered
from evaluate.fingerprint.benchmark.truth import Piece
from preprocess.media.decode import decode
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.media.probe import probe
from preprocess.schema import ShardParams

PARAMS = ShardParams(fps=10.0, short_side_px=48, hop_length=200, win_length=300)
RATE_HZ = 16_000
LUMA_A_SECOND = 20


def make_video(path, picture, tone):
    arguments = [ffmpeg_executable(), "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone]
    arguments += ["-t", "8", "-c:v", "libx264", "-qp", "4", "-c:a", "aac", "-threads", "1", "-y", str(path)]
    subprocess.run(arguments, check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distort")
    # The left half is a clock: its luma grows by LUMA_A_SECOND a second. The right half stays black.
    clock = f"color=black:s=96x64:r=20,format=yuv420p,geq=lum='if(lt(X,W/2),30+{LUMA_A_SECOND}*T,16)':cb=128:cr=128"
    make_video(folder / "clock.mp4", clock, f"anoisesrc=r={RATE_HZ}:a=0.3:seed=1")
    make_video(folder / "host.mp4", "color=white:s=80x80:r=20", f"sine=300:r={RATE_HZ}")
    return folder


def render(folder, target, *tasks, seed=3):
    order = Order(
        Piece("clock.mp4", 1.0, 6.0), Piece("host.mp4", 0.0, 8.0, is_host=True),
        tuple(CATALOGUE[task] for task in tasks), seed,
    )  # fmt: skip
    rendered(order, folder, target)
    return order, decode(target, PARAMS)


def clock_seconds(decoded):
    """Reference second that each frame shows, (T,), read off the left quarter."""
    luma = np.asarray(decoded.frames)[:, 10:-10, 4:20].astype(np.float64).mean(axis=(1, 2, 3))
    return (16 + luma * 219 / 255 - 30) / LUMA_A_SECOND


@pytest.mark.parametrize("task", ["speed/strong", "tempo/strong", "cut/medium", "concatenation/medium"])
def test_pixels_show_the_reference_seconds_that_the_truth_says(folder, tmp_path, task):
    order, decoded = render(folder, tmp_path / "q.mp4", task)
    shown = clock_seconds(decoded)
    for span in order.truth():
        inside = np.arange(span.query_start_seconds + 0.3, span.query_end_seconds - 0.3, 0.1)
        frames = np.minimum((inside * PARAMS.fps).astype(int), len(shown) - 1)
        expected = [span.reference_at((frame + 0.5) / PARAMS.fps) for frame in frames]
        assert np.abs(shown[frames] - expected).max() < 0.2


def test_one_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    paths = [tmp_path / f"{i}.mp4" for i in range(3)]
    for path, seed in zip(paths, (3, 3, 4), strict=True):
        render(folder, path, "noise/light", "sound-noise/medium", seed=seed)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_flip_mirrors_and_picture_in_picture_shows_the_host(folder, tmp_path):
    _, flipped = render(folder, tmp_path / "flip.mp4", "flip/light")
    frame = np.asarray(flipped.frames[20]).astype(float)
    assert frame[:, : frame.shape[1] // 3].mean() < 8 < 30 < frame[:, -frame.shape[1] // 3 :].mean()
    _, inset = render(folder, tmp_path / "pip.mp4", "picture-in-picture/strong")
    assert (np.asarray(inset.frames[20]).min(axis=-1) > 200).mean() > 0.6
    assert inset.n_frames == pytest.approx(50, abs=1)


def test_a_source_without_sound_gives_a_query_without_sound(folder, tmp_path):
    silent = tmp_path / "clock.mp4"
    arguments = [ffmpeg_executable(), "-v", "error", "-i", str(folder / "clock.mp4"), "-an", "-c", "copy", str(silent)]
    subprocess.run(arguments, check=True)
    (tmp_path / "host.mp4").write_bytes((folder / "host.mp4").read_bytes())
    render(tmp_path, tmp_path / "q.mp4", "music/light", "text/light")
    assert not probe(tmp_path / "q.mp4").has_audio


def test_a_crop_follows_what_was_shrunk_before(folder, tmp_path):
    for strength in ("light", "strong"):
        _, decoded = render(folder, tmp_path / f"{strength}.mp4", f"resolution/{strength}", f"crop/{strength}")
        assert decoded.n_frames == pytest.approx(50, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("task", list(CATALOGUE))
def test_every_distortion_renders_with_picture_and_sound(folder, tmp_path, task):
    order, decoded = render(folder, tmp_path / "q.mp4", task)
    assert decoded.info.has_audio
    pieces, rate = order.pieces_and_rate()
    assert decoded.n_frames / PARAMS.fps == pytest.approx(sum(piece.seconds for piece in pieces) / rate, abs=0.3)


def test_noise_and_music_come_at_their_ratio_of_powers():
    random = np.random.default_rng(0)
    waveform = (0.1 * np.sin(np.arange(RATE_HZ) / 5)).astype(np.float32)
    for function in (audio.noise(5.0), audio.music(5.0)):
        added = function(waveform, RATE_HZ, random) - waveform
        assert 10 * np.log10(np.square(waveform).mean() / np.square(added).mean()) == pytest.approx(5, abs=0.1)
        assert not function(np.zeros(RATE_HZ, np.float32), RATE_HZ, random).any()


def test_band_pass_reverb_volume_and_mute_do_what_they_say():
    random = np.random.default_rng(0)
    white = (0.1 * random.standard_normal(2 * RATE_HZ)).astype(np.float32)
    power = np.abs(np.fft.rfft(audio.band_pass(500, 2000)(white, RATE_HZ, random))) ** 2
    hertz = np.fft.rfftfreq(len(white), 1 / RATE_HZ)
    inside = power[(hertz > 700) & (hertz < 1500)].mean()
    assert power[hertz < 200].mean() < 0.02 * inside > 50 * power[hertz > 5000].mean()
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 0.5
    wet = audio.reverb(0.5)(click, RATE_HZ, random)
    assert np.abs(wet[200:2000]).max() > 5 * np.abs(wet[7000:]).max() > 0
    assert np.square(audio.volume(-20.0)(white, RATE_HZ, random)).mean() == pytest.approx(np.square(white).mean() / 100)
    assert np.abs(audio.volume(20.0)(white, RATE_HZ, random)).max() == 1
    assert (audio.mute(0.6)(white, RATE_HZ, random) == 0).mean() == pytest.approx(0.6, abs=1e-3)


def test_pairs_are_two_different_distortions_that_go_together():
    random = np.random.default_rng(0)
    pairs = [draw_pair("medium", random) for _ in range(200)]
    assert all(one.split("/")[0] != other.split("/")[0] for one, other in pairs)
    assert ("speed/medium", "tempo/medium") not in pairs
    assert len({name for pair in pairs for name in pair}) == len(NAMES)


def test_words_choose_distortions():
    assert choose("crop/light,flip") == ("crop/light", "flip/light", "flip/medium", "flip/strong")
    assert choose("") == tuple(CATALOGUE)
    assert len(choose("medium")) == len(NAMES)
    with pytest.raises(FingerprintError, match="croop"):
        choose("croop")
