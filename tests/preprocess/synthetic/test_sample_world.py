"""The sample world: real files in UCF101's layout, and the properties that make it worth learning from."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from preprocess.errors import RenderError
from preprocess.synthetic.sample import world
from preprocess.synthetic.sample.classes import CLASS_BY_NAME, CLASSES
from preprocess.synthetic.sample.motion import N_FRAMES
from preprocess.synthetic.sample.world import ClipTask, clip_tasks, held_out_groups
from tests.preprocess.whole_run import bytes_of

SOME = ("Kindling", "SwingChirp")
SIZES = {"seed": 3, "n_groups": 3, "n_clips": 1, "classes": SOME, "workers": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.generate(tmp_path_factory.mktemp("world") / "w", **SIZES)


def test_files_are_h264_and_aac_of_the_promised_format(small: Path) -> None:
    files = sorted(small.rglob("*.mp4"))
    assert len(files) == 6
    n_silent = 0
    for path in files:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height, video.average_rate) == (128, 96, 25)
            assert sum(1 for _ in container.decode(video=0)) == N_FRAMES
            n_silent += not container.streams.audio
            for audio in container.streams.audio:
                assert (audio.codec_context.name, audio.sample_rate, audio.channels) == ("aac", 16_000, 1)
    assert n_silent == json.loads((small / world.WORLD_FILE).read_text())["n_without_audio"]


def test_lists_have_the_official_syntax_and_hold_out_whole_groups(small: Path) -> None:
    lists = small / "ucfTrainTestlist"
    assert (lists / "classInd.txt").read_text() == "1 Kindling\n2 SwingChirp\n"
    everything = {f"{path.parent.name}/{path.name}" for path in small.rglob("*.mp4")}
    for split in (1, 2, 3):
        test = (lists / f"testlist{split:02d}.txt").read_text().split("\n")[:-1]
        train = [line.split(" ") for line in (lists / f"trainlist{split:02d}.txt").read_text().split("\n")[:-1]]
        assert {name for name, _ in train} | set(test) == everything
        assert all(label == {"Kindling": "1", "SwingChirp": "2"}[name.split("/")[0]] for name, label in train)
        assert {name.split("_")[2] for name in test} == {f"g{split:02d}"}
        assert not {name.split("_")[2] for name in test} & {name.split("_")[2] for name, _ in train}


def test_bytes_depend_on_the_seed_and_not_on_workers_or_on_the_choice_of_classes(small: Path, tmp_path: Path) -> None:
    again = world.generate(tmp_path / "again", **{**SIZES, "classes": SOME[::-1], "workers": 2})
    assert bytes_of(again) == bytes_of(small)
    alone = world.generate(tmp_path / "alone", **{**SIZES, "classes": SOME[1:]})
    one = "SwingChirp/v_SwingChirp_g02_c01.mp4"
    assert bytes_of(alone)[one] == bytes_of(small)[one]
    other = world.generate(tmp_path / "other", **{**SIZES, "seed": 4, "classes": SOME[1:]})
    assert bytes_of(other)[one] != bytes_of(small)[one]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["Kindling", "Nonsense"]}, "Nonsense"),
        ({"classes": []}, "one or more"),
        ({"classes": ["Going", "Going"]}, "once"),
        ({"n_groups": 2}, "groups"),
        ({"n_clips": 0}, "clips"),
        ({"seed": -1}, "seed"),
    ],
)
def test_parameters_out_of_range_are_refused(tmp_path: Path, change: dict, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        world.generate(tmp_path / "w", **{**SIZES, **change})
    assert not (tmp_path / "w").exists()


def test_every_class_has_all_groups_and_clips_without_audio_are_spread_evenly() -> None:
    tasks = clip_tasks(0, sorted(CLASS_BY_NAME), 25, 2)
    assert len(tasks) == 14 * 25 * 2
    silent = np.zeros((14, 25, 2), bool)
    for task in tasks.values():
        silent[task.index, task.group - 1, task.clip - 1] = task.silent
    assert 0.10 <= silent.mean() <= 0.15
    assert set(silent.sum(axis=(1, 2))) <= {6, 7}
    for split, held_out in ((1, range(1, 8)), (2, range(8, 15)), (3, range(15, 22))):
        assert held_out_groups(25, split) == held_out  # as in UCF101
        groups = [group - 1 for group in held_out]
        assert silent[:, groups].sum(axis=(1, 2)).min() >= 1


READINGS = {
    "Rising": (94.98, 42.39, 23.36), "Falling": (111.07, 37.43, 12.16),
    "Coming": (96.53, 38.92, 13.04), "Going": (95.92, 40.14, 16.69),
    "Kindling": (68.03, 39.51, 14.18), "Fading": (107.87, 36.74, 0),
    "Parting": (97.71, 35.39, 19.41), "Joining": (102.87, 42.70, 15.50),
    "TapEven": (94.71, 51.13, 8.42), "TapGallop": (112.83, 42.25, 17.03),
    "OrbitGlide": (121.95, 44.92, 11.91), "OrbitLurch": (105.87, 38.65, 12.11),
    "SwingChirp": (94.26, 40.85, 21.82), "SwingDroop": (104.79, 48.08, 0),
}  # fmt: skip
"""Mean and standard deviation of a clip's frames, and a thousandth of the level of its audio, 0 without audio."""


@pytest.mark.parametrize("name", READINGS)
def test_the_version_is_raised_when_the_world_changes(name: str) -> None:
    """A folder of an older version is refused only if the version says so: new readings here need a new version."""
    assert world.GENERATOR_VERSION == 4
    frames, waveform = world.clip_arrays(ClipTask(0, CLASSES.index(CLASS_BY_NAME[name]), 4, 1))
    level = 0 if waveform is None else 1000 * np.sqrt(np.mean(waveform.astype(np.float64) ** 2))
    assert (frames.mean(), frames.std(), level) == pytest.approx(READINGS[name], abs=0.02)
