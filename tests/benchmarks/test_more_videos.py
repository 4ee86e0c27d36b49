"""Classes of UCF101 and other videos in one list: the tests stay UCF101's, all others train."""

import pytest

from benchmarks.more_videos import write_list
from benchmarks.question import BenchmarkError
from preprocess.catalogues.open_catalogue import open_catalogue

NAMES = [
    "ucf/Archery/v_Archery_g01_c01.avi", "ucf/Archery/v_Archery_g08_c01.avi", "ucf/Surfing/v_Surfing_g01_c01.avi",
    "ucf/Surfing/v_Surfing_g08_c01.avi", "ucf/Biking/v_Biking_g08_c01.avi", "other/rain, loud.mp4",
]  # fmt: skip


@pytest.fixture
def lists(tmp_path):
    """Videos that are not opened, and the official lists."""
    for name in NAMES:
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/classInd.txt").write_text("1 Archery\n2 Biking\n3 Surfing\n")
    (tmp_path / "lists/trainlist01.txt").write_text("".join(f"{name[4:]} 1\n" for name in NAMES[:5] if "g08" in name))
    (tmp_path / "lists/testlist01.txt").write_text("".join(f"{name[4:]}\n" for name in NAMES[:5] if "g01" in name))
    return tmp_path


def test_tests_are_those_of_ucf101_and_all_others_train_without_labels(lists):
    write_list(lists / "videos", lists / "lists", ["Surfing", "Archery"], lists / "more.csv")
    listed = open_catalogue("folder", lists / "videos", csv=lists / "more.csv")
    official = open_catalogue("ucf101", lists / "videos", lists / "lists")

    def known(catalogue):
        return {each.name: (each.label_name, each.group, each.splits) for each in catalogue.sources}

    expected = {name: known(official)[name] for name in NAMES[:4]} | {
        "ucf/Biking/v_Biking_g08_c01.avi": ("", "", {}), "other/rain, loud.mp4": ("", "", {"1": "train"}),
    }  # fmt: skip
    assert known(listed) == expected
    assert expected[NAMES[0]] == ("Archery", "g01", {"1": "test"})


def test_a_class_without_videos_is_named(lists):
    with pytest.raises(BenchmarkError, match="no videos of Rowing"):
        write_list(lists / "videos", lists / "lists", ["Archery", "Rowing"], lists / "more.csv")
