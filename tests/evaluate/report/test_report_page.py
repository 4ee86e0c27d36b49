"""The page of a small run: whole, self-contained, escaped, and working in a real browser."""

import base64
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from evaluate.errors import EvaluateError
from evaluate.protocols.official_lists import OFFICIAL, OfficialLists
from evaluate.report.page import write_report
from evaluate.report.strips import thumbnails
from evaluate.results.results import Result, read_results, write_results
from preprocess.errors import ShardError
from preprocess.media.probe import probe
from preprocess.shards.manifest import read_dataset, read_segments
from tests.evaluate.conftest import AUDIO, build_esc50, write_store
from train.run.checkpoint import LAST_NAME

HOSTILE = """</script><script>fail()</script><img src=x onerror="fail()">{{ 7 * 7 }} & '
\u2028ü.mp4"""
CLASSES = ("Blink", "Slide", '<b>Tick & "Tock"</b>')
N_FRAMES = 24
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def write_embeddings(path, shards, model, noise, *, has_video=True, hostile=False, **others):
    """Two clips a video whose class shows through the noise; hostile: one name and one class are changed."""
    rows = read_segments(shards).drop_duplicates("source").reset_index(drop=True)
    if hostile:
        rows.loc[0, "source"] = HOSTILE
        rows["label_name"] = [CLASSES[label] for label in rows["label"]]
    rows, rng, n = rows.loc[rows.index.repeat(2)], np.random.default_rng(3), 2 * len(rows)
    has = {"video": np.full(n, has_video), "audio": rows["has_audio"].to_numpy(bool)}
    vectors = {
        f"{m}/features": (np.eye(3, 8)[rows["label"]] + noise * rng.normal(size=(n, 8))) * present[:, None]
        for m, present in has.items()
        if present.any()
    }
    columns = {name: rows[name].to_numpy() for name in ("key", "label", "label_name", "group", "splits")}
    start = np.tile([0.0, 0.5], n // 2)
    has_both = {f"has_{m}": present for m, present in has.items()}
    columns |= {"start_seconds": start, "end_seconds": start + 0.75} | has_both
    columns |= {"shards_fingerprint": read_dataset(shards).fingerprint, "model": model} | others
    write_store(path, rows["source"].to_numpy(), vectors, **columns)


@pytest.fixture(scope="module")
def esc50(tmp_path_factory):
    """Six recordings of two classes in three folds."""
    return build_esc50(tmp_path_factory.mktemp("esc50"), ("dog", "rain"), 3, replace(AUDIO, segment_seconds=1.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory, shards, esc50):
    folder = tmp_path_factory.mktemp("runs") / "a & b"
    for model, suffix, noise in (("pretrained", "", 0.45), ("untrained", "-untrained", 2.0)):
        write_embeddings(folder / f"embeddings/ucf101{suffix}.h5", shards, model, noise, hostile=True)
    write_embeddings(folder / "embeddings/esc50.h5", esc50 / "shards", "pretrained", 0.6, has_video=False)
    results = [
        Result("ucf101", "retrieval", split, "video", model, f"R@{k}", value / (4 - split if split else 2), 6)
        for model, value in (("pretrained", 0.8), ("untrained", 0.4), ("chance", 0.3))
        for k in (1, 5)
        for split in (None, 1, 2, 3)
    ]
    results += [Result("esc50", "svm", fold, "audio", "pretrained", "top-1", 0.5 + fold / 100, 6) for fold in (1, 2, 3)]
    results += [Result("esc50", "dreaming", None, "audio", "pretrained", "depth@7", 0.123, 18, 0.3, 0.5)]
    write_results(folder / "results.json", results)
    (folder / "config.yaml").write_text("name: <i>tiny</i>\nclip:\n  speeds: [1, 2, 4]\n")
    (folder / "log.jsonl").write_text(json.dumps({"step": 9, "metrics": {"heldout/speed_video": 0.625}}) + "\n")
    return folder


@pytest.fixture(scope="module")
def rival(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "rival"
    folder.mkdir()
    number = Result("ucf101", "retrieval", None, "video", "pretrained", "R@1", 0.475, 6)
    write_results(folder / "results.json", [number])
    return folder


@pytest.fixture(scope="module")
def write(run, shards, esc50, ucf_folder, rival):
    sets = {"ucf101": shards, "esc50": esc50 / "shards"}
    return lambda: write_report(run, sets, data=[ucf_folder, esc50], compare=[rival])


@pytest.fixture(scope="module")
def page(write):
    return write()


def scripts_of(page):
    """Content of all scripts: of each data set first the audio, then the map, then the page's own code."""
    return re.findall(r"<script\b.*?>(.*?)</script>", page.read_text(encoding="utf-8"), re.DOTALL)


def test_page_says_which_part_of_the_official_lists_was_there(run, shards, tmp_path, monkeypatch):
    """None is missing of what preprocessing saw; of the three classes of a longer official list, some are."""
    folder = shutil.copytree(run, tmp_path / "run")
    assert "videos are there" not in write_report(folder, {"ucf101": shards}).read_text()
    monkeypatch.setitem(OFFICIAL, "ucf101", OfficialLists("UCF101", 3, {"1": (3570, 1530), "2": (12, 6)}))
    page = write_report(folder, {"ucf101": shards}).read_text()
    assert re.findall("split .: .* are there", page) == [
        "split 1: 12 of 3,570 training and 6 of 1,530 test videos are there"
    ]


def test_it_is_self_contained_and_names_from_data_cannot_become_markup(page):
    text = page.read_text(encoding="utf-8")
    addresses, ids = (re.findall(rf'\s(?:{name})="([^"]*)"', text) for name in ("src|href|srcset|action", "id"))
    assert all(address.startswith(("data:image/", "#")) for address in addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", text)
    assert page.stat().st_size < 8_000_000
    assert {address[1:] for address in addresses if address.startswith("#")} <= set(ids)
    assert len(ids) == len(set(ids))
    assert text.count("<script") == len(scripts_of(page)) == 5  # audio and map of two data sets, the page's own
    assert not [markup for markup in ("fail()</script>", "<img src=x", "<b>Tick", "<i>tiny") if markup in text]
    assert "{{ 7 * 7 }}" in text
    data = json.loads(scripts_of(page)[1])
    assert HOSTILE in {point[2] for point in data["points"]}
    assert tuple(data["classes"]) == CLASSES


def part_of(page, first, after):
    text = page.read_text(encoding="utf-8")
    return text[text.index(f'id="{first}"') : text.index(f'id="{after}"')]


def test_it_says_what_was_measured_beside_baselines_papers_and_other_runs(page):
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8").replace("&nbsp;", " "))
    assert "By pretrained video features, <strong>40.0 %</strong> of test videos" in text
    assert "Untrained encoders 20.0 % and chance 15.0 %." in text
    assert re.findall(r'<section(?: class="[\w-]+")? id="([\w-]+)"', text) == [
        "ucf101", "ucf101-results", "ucf101-papers", "ucf101-neighbours", "ucf101-map", "ucf101-classes",
        "esc50", "esc50-results", "esc50-papers", "esc50-neighbours", "esc50-map", "esc50-classes", "comparison",
        "training",
    ]  # fmt: skip
    papers = part_of(page, "ucf101-papers", "ucf101-neighbours")
    numbers = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", papers, re.DOTALL)]
    assert numbers[1] == ["–", "–", "40.0"]
    assert ["91.8", "88.0", "70.7"] in numbers
    unknown = part_of(page, "esc50-results", "esc50-papers")  # a task that no code names, and folds
    words = ("dreaming depth@7", ">52.0<", ">12.3", "split 3", "<small>30.0–50.0</small>")
    assert not [word for word in words if word not in unknown]
    other = part_of(page, "comparison", "training").partition("rival")[2]
    assert re.search(r"47\.5\s*<small class=\"more\">\+7\.5</small>", other)
    assert re.findall(r"<td>(.*?)</td>", part_of(page, "training", "origin")) == ["62.5", "33.3"]


def test_the_gallery_marks_right_and_wrong_and_plays_audio_where_the_files_are(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    right, wrong = (len(re.findall(f'class="card {word}"', text)) for word in ("right", "wrong"))
    assert min(right, wrong) > 0
    assert (text.count(">✓</span>"), text.count(">✗</span>")) == (right, wrong)
    assert text.count('class="lookup"') == 6 + 3 + 2  # queries of split 1: videos, those with audio, recordings
    assert text.count("not in these shards") == 2  # the one whose name was changed
    assert text.count("data:image/jpeg") == 9 * 6 - 2
    videos, recordings = (json.loads(scripts_of(page)[i]) for i in (0, 2))
    assert set(recordings) == {f"audio/{fold}-{fold}{i}-A-{i}.wav" for fold in (1, 2, 3) for i in (0, 1)}
    assert not [source for source in videos if "_g02_" in source]  # without audio
    assert all(len(sound) < 30_000 and sound.startswith("data:audio/mpeg;base64,") for sound in videos.values())
    (tmp_path / "cut.mp3").write_bytes(base64.b64decode(videos["Slide/v_Slide_g01_c01.mp4"].partition(",")[2]))
    assert probe(tmp_path / "cut.mp3").has_audio


def test_the_same_run_gives_the_same_page(page, write):
    before = page.read_bytes()
    assert write().read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_sections_without_data_are_left_out(run, shards, tmp_path, monkeypatch):
    with pytest.raises(EvaluateError, match="python -m evaluate ucf101"):
        write_report(tmp_path, {"ucf101": shards})
    assert not (tmp_path / "report").exists()
    shutil.copytree(run / "embeddings", tmp_path / "embeddings")
    text = write_report(tmp_path, {"ucf101": shards}).read_text(encoding="utf-8")
    parts = ["ucf101", "ucf101-neighbours", "ucf101-map", "ucf101-classes"]
    assert re.findall(r'<section[^>]* id="([\w-]+)"', text) == parts
    with pytest.raises(EvaluateError, match="before you compare"):
        write_report(run, {"ucf101": shards}, compare=[tmp_path])
    shutil.rmtree(tmp_path / "embeddings")
    results = [result for result in read_results(run / "results.json") if result.test == "ucf101"]
    write_results(tmp_path / "results.json", results)
    text = write_report(tmp_path, {"ucf101": shards}).read_text(encoding="utf-8")
    assert re.findall(r'<section id="([\w-]+)"', text) == ["ucf101-results", "ucf101-papers"]
    monkeypatch.setattr("evaluate.report.section.CLASS_BY_NAME", dict.fromkeys(("Blink", "Slide", "Still")))
    text = write_report(tmp_path, {"ucf101": shards}).read_text(encoding="utf-8")
    assert "on the sample world" in text  # known by the shards
    assert re.findall(r'<section id="([\w-]+)"', text) == ["ucf101-results"]


def test_the_commands_that_it_names_are_those_that_were_run(run, shards, tmp_path):
    results = [replace(result, test="mine") for result in read_results(run / "results.json") if result.test == "ucf101"]
    finetuned = Result("finetuned", "finetune", 1, "video", "pretrained", "top-1", 0.5, 2)
    write_results(tmp_path / "results.json", [*results, finetuned])
    for named, command in (("mine", "ucf101"), ("not-evaluated", "embed"), ("finetuned", "embed")):
        text = write_report(tmp_path, {named: shards}).read_text(encoding="utf-8")
        assert re.findall(rf"python -m evaluate (\w+) .* --shards \S+ --dataset {named}", text) == [command, "report"]


def test_names_without_latin_letters_and_sets_without_a_test_side_have_parts_of_their_own(
    shards, make_checkpoint, tmp_path
):
    make_checkpoint(tmp_path / "checkpoints" / LAST_NAME, shards_fingerprint=read_dataset(shards).fingerprint)
    untested = {"splits": np.array(['{"1":"train"}'] * 36), "shards_fingerprint": "another"}
    for name, others in (("видео", {}), ("数据", untested)):
        write_embeddings(tmp_path / f"embeddings/{name}.h5", shards, "pretrained", 0.5, **others)
    text = write_report(tmp_path, {"видео": shards, "数据": shards}).read_text(encoding="utf-8")
    ids = re.findall(r' id="([\w-]+)"', text)
    assert len(ids) == len(set(ids)) and {"test-1-map", "test-1-neighbours", "test-2-map"} <= set(ids)
    assert "test-2-neighbours" not in ids
    assert text.count("the embeddings are of other shards than") == text.count("pretraining read") == 1


def test_images_shrink_until_they_fit(shards):
    sources = read_segments(shards)["source"].tolist()
    largest, small = (thumbnails(shards, sources, budget) for budget in (10**9, 1))
    assert set(largest) == set(small) == set(sources)
    assert {picture.n_frames for picture in largest.values()} == {N_FRAMES}
    assert {picture.n_frames for picture in small.values()} == {12}
    assert thumbnails(shards, ["never seen.mp4"], 10**9) == {}


def test_a_shard_that_is_gone_is_named(shards, tmp_path):
    copy = shutil.copytree(shards, tmp_path / "shards")
    gone = next(copy.glob("*.tar"))
    gone.unlink()
    with pytest.raises(ShardError, match=gone.name):
        thumbnails(copy, read_segments(copy)["source"].tolist(), 1)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize(
    ("width", "asked"), [(1280, {}), (400, {"reduced_motion": "reduce"}), (400, {"color_scheme": "dark"})]
)
def test_in_a_browser(page, width, asked):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        shown, problems = browser.new_page(viewport={"width": width, "height": 900}, **asked), []
        for event in ("pageerror", "console", "requestfailed"):
            shown.on(event, lambda told: problems.append(str(told)))
        shown.goto(page.as_uri())
        loaded = shown.evaluate("[...document.images].map((image) => image.naturalWidth > 0)")
        assert all(loaded)
        assert len(loaded) > 60
        assert shown.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it must not scroll sideways"
        ground = shown.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", ground))) < 80) == ("color_scheme" in asked)

        def choose(switch, title):
            shown.click(f'[data-switch="ucf101-{switch}"] span:text-is("{title}")')

        shown.click(".expand >> nth=0")
        assert shown.locator("tr.split:visible").count() == 3
        shown.click(".play-all >> nth=0")
        moves = "(film) => film.getAnimations().map(() => getComputedStyle(film).animationTimingFunction)"
        films = [shown.locator(f".lookup:nth-of-type({number}) .film").first for number in (1, 2)]
        assert [film.evaluate(moves) for film in films] == [[f"steps({N_FRAMES})"], []]
        clip = shown.locator('.clip[data-audio][aria-pressed="false"]:visible').first.element_handle()
        clip.click()
        sounds = "(clip) => [playing.clip === clip, playing.audio.src.slice(0, 15)]"
        assert shown.evaluate(sounds, clip) == [True, "data:audio/mpeg"]
        assert shown.evaluate("playing.audio.canPlayType('audio/mpeg')") == "probably"
        choose("gallery", "audio")
        assert shown.get_attribute('[data-panel="ucf101-gallery"]:visible', "data-value") == "audio"
        dots = shown.locator("#ucf101-map .plane .dot:visible")
        assert dots.count() == 18
        glide = dots.first.evaluate("(dot) => getComputedStyle(dot).transitionDuration")
        assert (glide == "0s") == ("reduced_motion" in asked)
        choose("map-modality", "audio")
        shown.uncheck('#ucf101-map input[data-role="0"]')
        assert dots.count() == 3
        dots.last.hover()
        assert "(test)" in shown.inner_text("#ucf101-map .tip")
        for colour, n in (("class", 3), ("split", 3), ("group", 18)):
            choose("map-colour", colour)
            assert shown.locator("#ucf101-map .legend button").count() == n
        choose("confusion", "audio, linear probe")
        assert shown.get_attribute('[data-panel="ucf101-confusion"]:visible', "data-value") == "audio, linear probe"
        assert problems == []
