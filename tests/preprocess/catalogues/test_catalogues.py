"""Catalogues of small data sets laid out on disk; the files are empty, for a catalogue opens none."""

from pathlib import Path

import pytest

from preprocess.catalogues.open_catalogue import DATASETS, open_catalogue
from preprocess.errors import CatalogueError
from preprocess.sources import Catalogue


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def entries(catalogue: Catalogue) -> list[tuple[str, int, str, dict[str, str]]]:
    """Name, label, group and splits of every source."""
    for index, source in enumerate(catalogue.sources):
        label_name = catalogue.label_names[source.label] if source.label >= 0 else ""
        assert (source.index, source.label_name) == (index, label_name)
    return [(source.name, source.label, source.group, source.splits) for source in catalogue.sources]


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    names = ("_g01_c01.mp4", "_g08_c02.avi", "_g99_c01.avi")
    root = touch(tmp_path / "UCF-101", *(f"Archery/v_Archery{name}" for name in names))
    touch(
        root, "HandstandPushups/v_HandstandPushups_g01_c01.avi", "Archery/notes.txt", "Archery/._v_Archery_g01_c01.mp4"
    )
    lists = tmp_path / "ucfTrainTestlist"
    write(lists / "classInd.txt", "1 Archery", "2 HandstandPushups")
    handstand = "HandstandPushups/v_HandStandPushups_g01_c01.avi"
    write(lists / "trainlist01.txt", "Archery/v_Archery_g08_c02.avi 1", "Archery/v_Archery_g09_c01.avi 1")
    write(lists / "testlist01.txt", "Archery/v_Archery_g01_c01.avi", handstand)
    write(lists / "trainlist02.txt", "Archery/v_Archery_g01_c01.avi 1", f"{handstand} 2")
    write(lists / "testlist02.txt", "Archery/v_Archery_g08_c02.avi")
    return root


def test_ucf101(ucf):
    catalogue = open_catalogue("ucf101", ucf)
    assert catalogue.media == "video"
    assert catalogue.label_names == ("Archery", "HandstandPushups")
    assert entries(catalogue) == [
        ("Archery/v_Archery_g01_c01.mp4", 0, "g01", {"1": "test", "2": "train"}),
        ("Archery/v_Archery_g08_c02.avi", 0, "g08", {"1": "train", "2": "test"}),
        ("Archery/v_Archery_g99_c01.avi", 0, "g99", {}),
        ("HandstandPushups/v_HandstandPushups_g01_c01.avi", 1, "g01", {"1": "test", "2": "train"}),
    ]
    assert catalogue.missing == ("Archery/v_Archery_g09_c01.avi",)
    assert catalogue.extra == ("Archery/v_Archery_g99_c01.avi",)
    assert all(source.path == ucf / source.name for source in catalogue.sources)
    given = (ucf.parent / "ucfTrainTestlist").rename(ucf.parent / "elsewhere")
    with pytest.raises(CatalogueError, match="give the place with --splits"):
        open_catalogue("ucf101", ucf)
    assert open_catalogue("ucf101", ucf, splits_dir=given) == catalogue


def test_of_two_formats_of_a_video_one_counts(ucf, caplog):
    one = entries(open_catalogue("ucf101", ucf))
    touch(ucf, "mp4/v_Archery_g08_c02.mp4", "mp4/v_Archery_g07_c01.mp4")
    both = entries(open_catalogue("ucf101", ucf))
    assert [each for each in both if each[0] != "mp4/v_Archery_g07_c01.mp4"] == one
    again = "mp4/v_Archery_g08_c02.mp4 = Archery/v_Archery_g08_c02.avi"
    assert f"1 files left out, the lists name them once: {again}" in caplog.text


@pytest.mark.parametrize("place", ["UCF-101/ucfTrainTestlist", "splits/ucfTrainTestlist", "UCF-101"])
def test_ucf101_lists_in_other_places_and_lists_that_leak(place, ucf):
    lists = ucf.parent / place
    lists.mkdir(parents=True, exist_ok=True)
    for path in (ucf.parent / "ucfTrainTestlist").iterdir():
        path.rename(lists / path.name)
    assert open_catalogue("ucf101", ucf).sources[0].splits == {"1": "test", "2": "train"}
    write(lists / "testlist01.txt", "Archery/v_Archery_g08_c02.avi")
    with pytest.raises(CatalogueError, match="both the training and the test list of split 1"):
        open_catalogue("ucf101", ucf)
    write(lists / "classInd.txt", "1 Archery", "2")
    with pytest.raises(CatalogueError, match="without gaps"):
        open_catalogue("ucf101", ucf)


def test_hmdb51(tmp_path):
    film = "A#film_(1)_wave_u_nm_np1_ba_goo_0.avi"
    root = touch(tmp_path / "hmdb51", f"wave/{film}", "wave/same.avi", "clap/same.mp4", "clap/unlisted.avi")
    lists = tmp_path / "testTrainMulti_7030_splits"
    write(lists / "wave_test_split1.txt", f"{film} 1 ", "same.avi 0 ")
    write(lists / "wave_test_split2.txt", f"{film} 2 ", "same.avi 1 ")
    write(lists / "clap_test_split1.txt", "same.avi 2 ", "gone.avi 1 ")
    catalogue = open_catalogue("hmdb51", root)
    assert catalogue.label_names == ("clap", "wave")
    assert entries(catalogue) == [
        ("clap/same.mp4", 0, "same", {"1": "test"}),
        ("clap/unlisted.avi", 0, "unlisted", {}),
        (f"wave/{film}", 1, "A#film_(1)", {"1": "train", "2": "test"}),
        ("wave/same.avi", 1, "same", {"2": "train"}),
    ]
    assert (catalogue.missing, catalogue.extra) == (("clap/gone.avi",), ("clap/unlisted.avi",))


ESC50 = "filename,fold,target,category,esc10,src_file,take"


def test_esc50(tmp_path):
    root = touch(tmp_path / "esc50", "audio/1-100032-A-0.flac", "audio/2-7-B-1.wav", "audio/9-9-A-9.wav")
    rows = ["1-100032-A-0.wav,1,0,dog,True,100032,A", "2-7-B-1.wav,2,1,rain,True,7,B", "3-1-A-1.wav,3,1,rain,True,1,A"]
    write(root / "meta/esc50.csv", ESC50, *rows)
    catalogue = open_catalogue("esc50", root)
    assert catalogue.media == "audio"
    assert catalogue.label_names == ("dog", "rain")
    assert [entry[1:] for entry in entries(catalogue)] == [
        (0, "100032", {"fold": "1"}), (1, "7", {"fold": "2"}), (-1, "", {}),
    ]  # fmt: skip
    assert (catalogue.missing, catalogue.extra) == (("3-1-A-1.wav",), ("audio/9-9-A-9.wav",))


def test_vggsound_whose_ids_may_differ_in_case_alone(tmp_path):
    root = touch(tmp_path / "v", "-abC_d_000030.mp4", "-abc_d_000030.mp4", "sub/xyz_000007.mp4")
    rows = ['-abC_d,30,"dog barking, loud",train', "-abc_d,30,rain,test", "gone,5,rain,train"]
    catalogue = open_catalogue("vggsound", root, csv=write(tmp_path / "vggsound.csv", *rows))
    assert catalogue.label_names == ("dog barking, loud", "rain")
    assert entries(catalogue) == [
        ("-abC_d_000030.mp4", 0, "-abC_d", {"1": "train"}),
        ("-abc_d_000030.mp4", 1, "-abc_d", {"1": "test"}),
        ("sub/xyz_000007.mp4", -1, "", {}),
    ]
    assert catalogue.missing == ("gone_000005",)
    write(root / "test.csv", "-abC_d_000030.mp4,rain", "c_000001.mp4,wind")
    source, *_ = open_catalogue("vggsound", root).sources
    assert (source.label_name, source.group, source.splits) == ("rain", "-abC_d", {"1": "test"})


KINETICS = "label,youtube_id,time_start,time_end,split"


def test_kinetics(tmp_path):
    root = touch(tmp_path / "k400", "abseiling/id-1_000010_000020.mp4", "flat_000000_000010.mp4")
    rows = ["abseiling,id-1,10,20,train,0", ",flat,0,10,test,0"]
    catalogue = open_catalogue("kinetics", root, csv=write(tmp_path / "all.csv", f"{KINETICS},is_cc", *rows))
    assert catalogue.label_names == ("abseiling",)
    assert entries(catalogue) == [
        ("abseiling/id-1_000010_000020.mp4", 0, "id-1", {"1": "train"}),
        ("flat_000000_000010.mp4", -1, "flat", {"1": "test"}),
    ]


def test_folder_with_odd_names(tmp_path):
    names = ["a b.mp4", "quote'\".mp4", "new\nline.mp4", "Grüße 你好.MKV", "-dash.avi", "x/same.mp4", "y/same.mp4"]
    root = touch(tmp_path / "archive", *names, "notes.txt", "list.m3u8", ".hidden/a.mp4")
    catalogue = open_catalogue("folder", root)
    assert entries(catalogue) == [(name, -1, "", {}) for name in sorted(names)]
    assert all(source.path.is_file() for source in catalogue.sources)
    assert (catalogue.missing, catalogue.extra, catalogue.label_names) == ((), (), ())


def test_folder_with_a_csv(tmp_path):
    root = touch(tmp_path / "archive", "x/same.mp4", "y/same.mp4", "z.mp4")
    csv = write(tmp_path / "list.csv", "path,label,group,split", "x/same.mp4,dog,g1,train", "gone.mp4,cat,g2,test")
    catalogue = open_catalogue("folder", root, csv=csv)
    assert catalogue.label_names == ("cat", "dog")
    assert entries(catalogue)[0] == ("x/same.mp4", 1, "g1", {"1": "train"})
    assert (catalogue.missing, catalogue.extra) == (("gone.mp4",), ("y/same.mp4", "z.mp4"))


def test_of_two_rows_a_file_takes_that_of_its_own_folder(tmp_path):
    root = touch(tmp_path / "k400", "Weaving/id_000000_000010.mp4", "spinning yarn/id_000000_000010.mp4")
    rows = ["weaving,id,0,10,val", "spinning yarn,id,0.0,10.0,val", "spinning yarn,id,0,10,val", "knitting,id,0,10,val"]
    csv = write(tmp_path / "k400.csv", KINETICS, *rows)
    catalogue = open_catalogue("kinetics", root, csv=csv)
    assert [source.label_name for source in catalogue.sources] == ["weaving", "spinning yarn"]
    assert catalogue.missing == ("id_000000_000010",)  # that of knitting
    (root / "Weaving").rename(root / "elsewhere")
    two = "id_000000_000010,weaving,id,val and id_000000_000010,spinning yarn,id,val"
    words = f"contradicts itself about elsewhere/id_000000_000010.mp4: {two}; keep one"
    with pytest.raises(CatalogueError, match=words):
        open_catalogue("kinetics", root, csv=csv)


def test_rows_of_a_folder_that_contradict_each_other_are_named(tmp_path):
    root = touch(tmp_path / "archive", "a.mp4", "A.mp4", "d.mp4")
    head = ("path,label,split", "a.mp4,cat,train", "A.mp4,dog,train", "./d.mp4,cat,train")
    sources = open_catalogue("folder", root, csv=write(tmp_path / "list.csv", *head)).sources
    assert {source.name: source.label_name for source in sources} == {"A.mp4": "dog", "a.mp4": "cat", "d.mp4": "cat"}
    words = r"list\.csv: contradicts .* d\.mp4: d\.mp4,cat,,train and d\.mp4,cat,,test;"
    with pytest.raises(CatalogueError, match=words):
        open_catalogue("folder", root, csv=write(tmp_path / "list.csv", *head, "d.mp4,cat,test"))


@pytest.mark.parametrize(
    ("dataset", "lines", "words"),
    [
        ("hmdb51", ["a.avi 1", "a.avi 2"], "both the training and the test list of split 1"),
        ("hmdb51", ["a.avi"], "must read"),
        ("ucf101", ["wave/a.avi 1", "clap/a.avi 2"], "clap/a.avi and wave/a.avi are one name"),
        ("esc50", [ESC50, "a.wav,one,0,dog"], "fold and target must be whole numbers"),
        ("esc50", [ESC50, "1-A.wav,1,0,dog", "1-A.wav,2,0,dog"], r"contradicts itself: .*'1'.* and .*'2'"),
        ("esc50", [ESC50, "a.wav,1,0"], "in every row; one has only {'filename'"),
        ("vggsound", ["only one cell"], "rows must be"),
        ("kinetics", ["label,time_start,time_end", "a,1,2"], "youtube_id not there"),
        ("kinetics", [KINETICS, "a,id,one,2,train"], "numbers"),
        ("kinetics", [KINETICS, "a,id,1,inf,train"], "numbers"),
        ("folder", ["label,path", "dog"], "in every row; one has only {'label'"),
    ],
)
def test_lists_that_cannot_be_right_are_named(dataset, lines, words, tmp_path):
    root = touch(tmp_path / "videos", "wave/a.avi", "a.wav")
    write(tmp_path / "lists/classInd.txt", "1 wave", "2 clap")
    file = {"hmdb51": "wave_test_split1.txt", "ucf101": "trainlist01.txt"}.get(dataset, "list.csv")
    path = write(tmp_path / "lists" / file, *lines)
    given = {"csv": path} if file == "list.csv" else {"splits_dir": path.parent}
    with pytest.raises(CatalogueError, match=words):
        open_catalogue(dataset, root, **given)


@pytest.mark.parametrize("dataset", DATASETS)
def test_lists_that_a_data_set_would_not_read_are_refused(dataset, tmp_path):
    option, given = ("--splits", "csv") if dataset in ("ucf101", "hmdb51") else ("--csv", "splits_dir")
    with pytest.raises(CatalogueError, match=f"lists: is not read: the lists of --dataset {dataset} .* with {option}"):
        open_catalogue(dataset, tmp_path, **{given: tmp_path / "lists"})


@pytest.mark.parametrize("dataset", DATASETS)
def test_nothing_there(dataset, tmp_path):
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CatalogueError):
            open_catalogue(dataset, root)
    with pytest.raises(CatalogueError, match="there are ucf101, hmdb51"):
        open_catalogue(f"{dataset}s", tmp_path)
