"""The official lists of UCF101 and HMDB51, as the protocol takes them: nothing of one recording on both sides."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluate.__main__ import main
from evaluate.errors import GroupLeakError
from evaluate.protocols.official_lists import OFFICIAL
from evaluate.protocols.recognition import splits_of
from evaluate.protocols.video_features import Part, Videos, take_split
from evaluate.results.results import read_results
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.executors.processes import SerialExecutor
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.schema import ShardParams

LISTS = Path(__file__).parents[4] / "shared/data/splits"
UCF, HMDB = LISTS / "ucfTrainTestlist", LISTS / "hmdb51_testTrainMulti_7030_splits"
pytestmark = pytest.mark.skipif(not (UCF.is_dir() and HMDB.is_dir()), reason="the official lists are not here")


def read_ucf(split):
    """side -> names, by lines alone."""
    return {
        side: {
            line.split()[0] for line in (UCF / f"{side}list{split:02d}.txt").read_text().splitlines() if line.strip()
        }
        for side in ("train", "test")
    }


def read_hmdb(split):
    sides = {"0": set(), "1": set(), "2": set()}
    for path in sorted(HMDB.glob(f"*_test_split{split}.txt")):
        folder = path.name.removesuffix(f"_test_split{split}.txt")
        for line in path.read_text().splitlines():
            name, mark = line.split()
            sides[mark].add(f"{folder}/{name}")
    return {"train": sides["1"], "test": sides["2"]}


def recording(name):
    """Class and recording, from the pattern of the names: UCF101's group, HMDB51's name without its six last fields."""
    folder, stem = name.split("/")
    if found := re.search(r"_(g\d\d)_c\d\d\.avi$", stem):
        return folder, found[1]
    found = re.fullmatch(rf"(.+)_{re.escape(folder)}_[a-z]+_(?:cm|nm)_np\d+_[a-z]+_(?:goo|med|bad)_\d+\.avi", stem)
    return folder, found[1] if found else stem


READERS = {"ucf101": (read_ucf, UCF), "hmdb51": (read_hmdb, HMDB)}


@pytest.fixture(scope="module", params=["ucf101", "hmdb51"])
def listed(request, tmp_path_factory):
    """Name of the data set, what is read from its lists, and all of its videos as the protocol gets them."""
    name = request.param
    reader, lists = READERS[name]
    splits = {number: reader(number) for number in (1, 2, 3)}
    root = tmp_path_factory.mktemp(name)
    names = set().union(*(side for sides in splits.values() for side in sides.values()))
    for folder in {each.split("/")[0] for each in names}:
        (root / folder).mkdir()
    for each in names:  # a catalogue opens no file
        (root / each).touch()
    sources = open_catalogue(name, root, splits_dir=lists).sources
    videos = Videos(
        sources=tuple(source.name for source in sources),
        labels=np.array([source.label for source in sources]),
        label_names=tuple(source.label_name for source in sources),
        groups=tuple(source.group for source in sources),
        splits=tuple(source.splits for source in sources),
        parts={"video": Part(np.ones((len(sources), 1), np.float32), np.ones(len(sources), bool))},
    )
    return name, splits, videos


def test_every_split_is_that_of_the_lists(listed):
    name, splits, videos = listed
    taken = {split.number: split for split in splits_of(videos)}
    assert set(taken) == {1, 2, 3}
    for number, sides in splits.items():
        for side in ("train", "test"):
            rows = getattr(taken[number], side)
            assert {videos.sources[row] for row in rows} == sides[side]
            assert len(rows) == len(sides[side]) == OFFICIAL[name].counts[str(number)][side == "test"]
    assert len(set(videos.label_names)) == OFFICIAL[name].n_classes


def test_no_recording_is_on_both_sides(listed):
    _, _, videos = listed
    for split in splits_of(videos):
        train, test = ({recording(videos.sources[row]) for row in rows} for rows in (split.train, split.test))
        assert not train & test
        assert len(test) > 100


def test_moving_one_video_of_a_recording_to_the_other_side_is_refused(listed):
    _, _, videos = listed
    split = take_split(videos, "2")
    of_recording = {}
    for row in split.test:
        of_recording.setdefault(recording(videos.sources[row]), []).append(row)
    moved = next(rows[0] for rows in of_recording.values() if len(rows) > 1)
    sides = [dict(own) for own in videos.splits]
    sides[moved]["2"] = "train"
    with pytest.raises(GroupLeakError, match="split 2: 1 groups"):
        splits_of(replace(videos, splits=tuple(sides)))


CLASSES = ("brush_hair", "cartwheel", "catch")
PARAMS = ShardParams(
    fps=16.0, short_side_px=32, segment_seconds=2.0, hop_length=500, win_length=1000, n_mels=16, sources_per_shard=8
)


def write_clips(root):
    """Small clips under official names: of each class and split two for training, one for test."""
    for number, folder in enumerate(CLASSES):
        clip, names = root / folder / "clip.avi", set()
        clip.parent.mkdir(parents=True)
        command = [
            ffmpeg_executable(), "-v", "error", "-f", "lavfi", "-i", f"testsrc=size=48x32:rate=16:duration={1 + number / 4}",
            "-f", "lavfi", "-i", f"sine={300 * 2**number}:sample_rate=16000:duration={1 + number / 4}",
            "-c:v", "mpeg4", "-c:a", "mp3", "-shortest", str(clip),
        ]  # fmt: skip
        subprocess.run(command, check=True)
        for split in (1, 2, 3):
            for side, count in (("train", 2), ("test", 1)):
                names.update(sorted(name for name in read_hmdb(split)[side] if name.startswith(f"{folder}/"))[:count])
        for name in names:
            shutil.copy(clip, root / name)
        clip.unlink()


def test_hmdb51_from_videos_to_results(run_folder, tmp_path, capsys):
    root, shards = tmp_path / "hmdb51", tmp_path / "shards"
    write_clips(root)
    build(open_catalogue("hmdb51", root, splits_dir=HMDB), shards, PARAMS, executor=SerialExecutor())
    assert main(["hmdb51", "--run", str(run_folder), "--shards", str(shards), "--threads", "1", "--clips", "2"]) == 0
    there = {path.relative_to(root).as_posix() for path in root.rglob("*.avi")}
    said, results = capsys.readouterr().out, read_results(run_folder / "results.json")
    assert {r.test for r in results} == {"hmdb51"}
    assert {r.split for r in results} == {1, 2, 3, None}
    assert {r.task for r in results} == {"retrieval", "knn", "linear", "cross-modal"}
    for split in (1, 2, 3):
        n_train, n_test = (len(read_hmdb(split)[side] & there) for side in ("train", "test"))
        assert f"split {split}: {n_train} of 3,570 training and {n_test} of 1,530 test videos are there" in said
        assert {r.n for r in results if r.split == split} == {n_test}
    assert (run_folder / "embeddings" / "hmdb51.h5").exists()
