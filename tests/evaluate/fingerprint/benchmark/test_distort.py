"""Distortions on real media: the video's brightness is a clock, so the ground truth can be read off the pixels."""

import numpy as np
import pytest

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.distort import audio
from evaluate.fingerprint.benchmark.distort.audio import SAMPLE_RATE_HZ
from evaluate.fingerprint.benchmark.distort.catalogue import CATALOGUE, NAMES, choose, draw_medium, draw_pair
from evaluate.fingerprint.benchmark.edited_copies import write_edited_copies
from evaluate.fingerprint.benchmark.query import Query
from evaluate.fingerprint.benchmark.render import render
from evaluate.fingerprint.benchmark.truth import Piece
from preprocess.media.decode import decode
from preprocess.schema import ShardParams
from tests.preprocess.made_media import run_ffmpeg

PARAMS = ShardParams(fps=10.0, short_side_px=48, hop_length=200, win_length=300)
LUMA_A_SECOND = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distort")
    # The left half is a clock: its luma grows by LUMA_A_SECOND a second. The right half stays black.
    clock = f"color=black:s=96x64:r=20,format=yuv420p,geq=lum='if(lt(X,W/2),30+{LUMA_A_SECOND}*T,16)':cb=128:cr=128"
    sources = {
        "clock.mp4": (clock, "anoisesrc=r=16000:a=0.3:seed=1"),
        "host.mp4": ("color=white:s=80x80:r=20", "sine=300"),
    }
    for name, (video, tone) in sources.items():
        coding = ["-t", 8, "-c:v", "libx264", "-qp", 4, "-c:a", "aac", "-threads", 1]
        run_ffmpeg("-f", "lavfi", "-i", video, "-f", "lavfi", "-i", tone, *coding, folder / name)
    return folder


def rendered(folder, target, *tasks, seed=3):
    host = Piece("host.mp4", 0.0, 8.0, is_host=True)
    query = Query("q", "task", Piece("clock.mp4", 1.0, 6.0), host, tasks, seed, "matched")
    render(query, folder, target)
    return query, decode(target, PARAMS)


@pytest.mark.parametrize("task", ["speed/strong", "tempo/strong", "cut/medium", "concatenation/medium"])
def test_pixels_show_the_reference_seconds_that_the_truth_says(folder, tmp_path, task):
    query, decoded = rendered(folder, tmp_path / "q.mp4", task)
    luma = np.asarray(decoded.frames)[:, 10:-10, 4:20].astype(np.float64).mean(axis=(1, 2, 3))  # of the clock
    shown = (16 + luma * 219 / 255 - 30) / LUMA_A_SECOND
    assert query.truth
    for span in query.truth:
        inside = np.arange(span.query_start_seconds + 0.3, span.query_end_seconds - 0.3, 0.1)
        frames = np.minimum((inside * PARAMS.fps).astype(int), len(shown) - 1)
        expected = [span.reference_at((frame + 0.5) / PARAMS.fps) for frame in frames]
        assert np.abs(shown[frames] - expected).max() < 0.2


def test_one_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    paths = [tmp_path / f"{i}.mp4" for i in range(3)]
    for path, seed in zip(paths, (3, 3, 4), strict=True):
        rendered(folder, path, "noise/light", "sound-noise/medium", seed=seed)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again
    assert first != other


def test_flip_mirrors_and_picture_in_picture_shows_the_host(folder, tmp_path):
    _, flipped = rendered(folder, tmp_path / "flip.mp4", "flip/light")
    frame = np.asarray(flipped.frames[20]).astype(float)
    assert frame[:, : frame.shape[1] // 3].mean() < 8 < 30 < frame[:, -frame.shape[1] // 3 :].mean()
    _, inset = rendered(folder, tmp_path / "pip.mp4", "picture-in-picture/strong")
    assert (np.asarray(inset.frames[20]).min(axis=-1) > 200).mean() > 0.6
    assert inset.n_frames == pytest.approx(50, abs=1)
    _, twice = rendered(folder, tmp_path / "twice.mp4", "grid/medium", "blend/strong")  # both show the host
    rendered(folder, tmp_path / "smaller.mp4", "crop/light", "blend/light")
    assert twice.n_frames == pytest.approx(50, abs=1)


def test_edited_copies_are_named_by_their_edit_and_kept(folder, tmp_path):
    paths = write_edited_copies(folder, tmp_path / "copies", 3, 0)
    assert [path.name for path in paths] == ["encoded-again.mp4", "mirrored.mp4", "excerpt.mp4"]
    assert decode(paths[2], PARAMS).n_frames == pytest.approx(0.5 * 8 * PARAMS.fps, abs=2)
    before = {path: path.stat().st_mtime_ns for path in paths}
    assert write_edited_copies(folder, tmp_path / "copies", 3, 0) == paths
    assert {path: path.stat().st_mtime_ns for path in paths} == before
    with pytest.raises(FingerprintError, match="two videos with audio"):
        (tmp_path / "one").mkdir()
        (tmp_path / "one/clock.mp4").symlink_to(folder / "clock.mp4")
        write_edited_copies(tmp_path / "one", tmp_path / "copies", 3, 0)


def test_a_source_that_lost_its_audio_is_refused_and_leaves_no_file(folder, tmp_path):
    run_ffmpeg("-i", folder / "clock.mp4", "-an", "-c", "copy", tmp_path / "clock.mp4")
    (tmp_path / "host.mp4").write_bytes((folder / "host.mp4").read_bytes())
    with pytest.raises(FingerprintError, match="cannot be rendered"):
        rendered(tmp_path, tmp_path / "q.mp4", "music/light")
    assert not list(tmp_path.glob("*q.mp4*"))


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [*CATALOGUE, "resolution/strong crop/strong"])  # the crop is of smaller frames
def test_every_distortion_renders_with_video_and_audio(folder, tmp_path, tasks):
    query, decoded = rendered(folder, tmp_path / "q.mp4", *tasks.split())
    assert decoded.info.has_audio
    seconds = sum(piece.seconds for piece in query.pieces) / query.rate
    assert decoded.n_frames / PARAMS.fps == pytest.approx(seconds, abs=0.3)


@pytest.mark.parametrize("function", [audio.noise, audio.music])
def test_noise_and_music_come_at_their_ratio_of_powers(function):
    random = np.random.default_rng(0)
    waveform = (0.1 * np.sin(np.arange(SAMPLE_RATE_HZ) / 5)).astype(np.float32)
    added = function(waveform, random, 5.0) - waveform
    assert 10 * np.log10(np.square(waveform).mean() / np.square(added).mean()) == pytest.approx(5, abs=0.1)
    assert not function(np.zeros(SAMPLE_RATE_HZ, np.float32), random, 5.0).any()


def test_band_pass_reverb_volume_and_mute_do_what_they_say():
    random = np.random.default_rng(0)
    white = (0.1 * random.standard_normal(2 * SAMPLE_RATE_HZ)).astype(np.float32)
    power = np.abs(np.fft.rfft(audio.band_pass(white, random, (500, 2000)))) ** 2
    hertz = np.fft.rfftfreq(len(white), 1 / SAMPLE_RATE_HZ)
    inside = power[(hertz > 700) & (hertz < 1500)].mean()
    assert power[hertz < 200].mean() < 0.02 * inside > 50 * power[hertz > 5000].mean()
    click = np.zeros(SAMPLE_RATE_HZ, np.float32)
    click[100] = 0.5
    wet = audio.reverb(click, random, 0.5)
    assert np.abs(wet[200:4000]).max() > 5 * np.abs(wet[20_000:]).max() > 0
    assert np.square(audio.volume(white, random, -20.0)).mean() == pytest.approx(np.square(white).mean() / 100)
    assert np.abs(audio.volume(white, random, 20.0)).max() == 1
    assert (audio.mute(white, random, 0.6) == 0).mean() == pytest.approx(0.6, abs=1e-3)


def test_pairs_are_two_different_distortions_that_go_together():
    random = np.random.default_rng(0)
    pairs = [draw_pair("medium", "both", random) for _ in range(200)]
    assert all(one.split("/")[0] != other.split("/")[0] for one, other in pairs)
    assert not {("speed/medium", "tempo/medium"), ("mp3/medium", "aac/medium")} & set(pairs)
    assert len({name for pair in pairs for name in pair}) == len(NAMES)
    shown, heard = (
        {task for _ in range(200) for task in (*draw_pair("light", streams, random), *draw_medium(streams, random))}
        for streams in ("video", "audio")
    )
    assert not shown & {"mp3/light", "reverb/medium", "pitch/light"} and not heard & {"crop/light", "bit-rate/medium"}
    assert {each.split("/")[0] for each in shown & heard} == {"speed", "tempo", "pace", "cut", "concatenation"}


def test_words_choose_distortions():
    assert choose("crop/light,flip") == ("crop/light", "flip/light", "flip/medium", "flip/strong")
    assert choose("") == tuple(CATALOGUE)
    assert len(choose("medium")) == len(NAMES)
    with pytest.raises(FingerprintError, match="croop"):
        choose("croop")
