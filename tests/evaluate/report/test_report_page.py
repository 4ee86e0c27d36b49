"""The page of a small run: whole, self-contained, escaped, and working in a real browser."""

import base64
import json
import re
import shutil
import subprocess
import wave
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluate.errors import EvaluateError
from evaluate.report import gallery
from evaluate.report.page import write_report
from evaluate.report.strips import thumbnails
from evaluate.results.results import Result, read_results, update_results, write_results
from preprocess.features.strip import encode_strip
from preprocess.media.probe import probe
from preprocess.schema import FRAMES_MEMBER, LOGMEL_MEMBER, META_MEMBER, ShardParams
from preprocess.shards.manifest import MANIFEST_FILE, DatasetInfo, write_dataset
from preprocess.shards.manifest_rows import SCHEMA, Row
from preprocess.shards.shard_files import ShardWriter, array_bytes, sample_key
from store.format import Provenance, Rows
from store.writer import write_part

HOSTILE = """</script><script>fail()</script><img src=x onerror="fail()">{{ 7 * 7 }} & '
\u2028ü.mp4"""
CLASSES = ("Rising", "Falling", '<b>Tick & "Tock"</b>')
N_GROUPS, N_FRAMES = 6, 20
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def make_rows(*, media="video"):
    """18 videos; the first class begins with the hostile name, and every fifth video is silent."""
    rows = []
    for label, name in enumerate(CLASSES):
        for group in range(N_GROUPS):
            i = len(rows)
            splits = {str(s + 1): "test" if group // 2 == s else "train" for s in range(3)}
            rows.append(
                Row(
                    kind="segment", source_index=i, source=HOSTILE if i == 0 else f"{name}/v_g{group:02d}.mp4",
                    label=label, label_name=name, group=f"g{group:02d}", splits=json.dumps(splits),
                    key=sample_key(i, 0), shard="shard-000000.tar", segment_id=i << 20, has_audio=i % 5 > 0,
                    start_seconds=0.0, end_seconds=1.25, n_frames=N_FRAMES if media == "video" else 0, n_columns=40,
                )
            )  # fmt: skip
    return rows


def write_shards(folder, rows, *, media="video"):
    folder.mkdir()
    with ShardWriter(folder / "shard-000000.tar") as writer:
        for i, row in enumerate(rows):
            rng = np.random.default_rng(i)
            frames = rng.integers(0, 255, (1, 1, 1, 3)) + rng.integers(0, 40, (N_FRAMES, 32, 48, 3))
            numbers = [row.segment_id, row.label, row.n_frames, 32, 48, 40, int(row.has_audio)]
            members = {
                FRAMES_MEMBER: encode_strip(np.clip(frames, 0, 255).astype(np.uint8), 80),
                LOGMEL_MEMBER: array_bytes(rng.normal(-8, 2, (16, 40)).astype(np.float16)),
                META_MEMBER: array_bytes(np.array(numbers, np.int64)),
            }
            if media == "audio":
                del members[FRAMES_MEMBER]
            writer.add(row.key, members)
        info = writer.commit()
    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA), folder / MANIFEST_FILE)
    write_dataset(
        folder,
        DatasetInfo(
            dataset="ucf101", params=ShardParams(), label_names=CLASSES, shards=(info,), n_sources=18, n_failed=0,
            n_skipped=0, n_segments=18, n_missing=0, n_extra=0, ffmpeg_version="9.9-test", packages={},
            sources_sha256="", manifest_sha256="", fingerprint="f1" * 32,
        ),
    )  # fmt: skip


def write_embeddings(path, rows, model, noise, *, media="video"):
    """Two clips a video whose class shows through the noise."""
    rng = np.random.default_rng(3)
    n = 2 * len(rows)
    heard = np.repeat([row.has_audio for row in rows], 2)
    labels = np.repeat([row.label for row in rows], 2)
    vectors = {f"{m}/features": np.eye(3, 8)[labels] + noise * rng.normal(size=(n, 8)) for m in ("video", "audio")}
    vectors["audio/features"] *= heard[:, None]
    if media == "audio":
        del vectors["video/features"]
    text = {
        name: [getattr(row, name) for row in rows for _ in range(2)]
        for name in ("key", "source", "label_name", "group", "splits")
    }
    text["label"] = labels
    times = {"start_seconds": np.tile([0.0, 0.5], len(rows)), "end_seconds": np.tile([0.75, 1.25], len(rows))}
    clips = Rows(**text, **times, has_video=np.full(n, media == "video"), has_audio=heard, vectors=vectors)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_part(path, clips, Provenance("c0" * 32, {}, "f1" * 32, "ucf101", model))


def write_run(run, rows, *, media="video"):
    for model, suffix, noise in (("pretrained", "", 0.45), ("untrained", "-untrained", 2.0)):
        write_embeddings(run / "embeddings" / f"ucf101{suffix}.h5", rows, model, noise, media=media)
    write_results(
        run / "results.json",
        [
            Result("ucf101", "retrieval", split, "video", model, f"R@{k}", value / (4 - split if split else 2), 6)
            for model, value in (("pretrained", 0.8), ("untrained", 0.4), ("chance", 0.3))
            for k in (1, 5)
            for split in (None, 1, 2, 3)
        ],
    )
    (run / "config.yaml").write_text("name: <i>tiny</i>\nclip:\n  speeds: [1, 2, 4]\n")
    lines = [
        {
            "step": s,
            "loss": 5 / s,
            "terms": {"video_audio": 2 / s},
            "metrics": {"accuracy/speed_video": 0.5, "heldout/speed_video": 0.625},
            "seconds": s,
        }
        for s in range(1, 40)
    ]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def shard_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shards"
    write_shards(folder, make_rows())
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a & b"
    write_run(folder, make_rows())
    return folder


def write_folds(run):
    """ESC-50 beside it: sounds alone, in folds, with a confidence interval and a task that no code names."""
    rows = [replace(row, splits=json.dumps({"fold": str(i % N_GROUPS // 2 + 1)})) for i, row in enumerate(make_rows())]
    heard = [replace(row, has_audio=True) for row in rows]
    write_embeddings(run / "embeddings" / "esc50.h5", heard, "pretrained", 0.6, media="audio")
    update_results(
        run / "results.json",
        [
            *[Result("esc50", "svm", fold, "audio", "pretrained", "top-1", 0.5 + fold / 100, 6) for fold in (1, 2, 3)],
            Result("esc50", "dreaming", None, "audio", "pretrained", "depth@7", 0.123, 18),
        ],
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Sound files of the first class under the names of the shards' sources, all but the hostile one."""
    folder = tmp_path_factory.mktemp("data")
    (folder / CLASSES[0]).mkdir()
    for row in make_rows()[1:N_GROUPS]:
        with wave.open(str(folder / row.source), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes((8000 * np.sin(np.arange(10_000) / 5)).astype("<i2").tobytes())
    return folder


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "rival"
    folder.mkdir()
    write_results(
        folder / "results.json", [Result("ucf101", "retrieval", None, "video", "pretrained", "R@1", 0.475, 6)]
    )
    return folder


@pytest.fixture(scope="module")
def page(run, shard_set, data, other_run):
    write_folds(run)
    return write_report(run, {"ucf101": shard_set}, data=[data], compare=[other_run])


class Reader(HTMLParser):
    """Collects tags, addresses and scripts the way a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.scripts, self.ids, self.inside = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag
        attributes = dict(attrs)
        self.addresses += [attributes[name] for name in ("src", "href", "srcset", "action") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts.append(data)


def test_nothing_comes_from_elsewhere(page):
    text = page.read_text(encoding="utf-8")
    seen = Reader(text)
    assert all(address.startswith(("data:image/", "#")) for address in seen.addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", text)
    assert page.stat().st_size < 8_000_000
    assert {address[1:] for address in seen.addresses if address.startswith("#")} <= set(seen.ids)
    assert len(seen.ids) == len(set(seen.ids))


def test_names_from_data_cannot_become_markup(page):
    text = page.read_text(encoding="utf-8")
    seen = Reader(text)
    assert seen.tags.count("script") == 4  # sounds, two maps, the page's own
    assert "fail()</script>" not in text
    assert "<b>Tick" not in text
    assert "<i>tiny" not in text
    assert "{{ 7 * 7 }}" in text
    data = json.loads(seen.scripts[1])
    assert HOSTILE in {point[2] for point in data["points"]}
    assert tuple(data["classes"]) == CLASSES


def test_it_says_what_was_measured(page):
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8").replace("&nbsp;", " "))
    assert "By pretrained video features, <strong>40.0 %</strong> of test videos" in text
    assert "Untrained encoders 20.0 % and chance 15.0 %" in text
    assert '<th scope="row">speed video</th><td>62.5</td><td>33.3</td>' in text
    for part in ("f1" * 32, "c0" * 32, "9.9-test", "python -m evaluate ucf101 --run", "n_mels", "speeds: [1, 2, 4]"):
        assert part in text
    assert re.findall(r'<section(?: class="[\w-]+")? id="([\w-]+)"', text) == [
        "ucf101", "ucf101-results", "ucf101-papers", "ucf101-neighbours", "ucf101-map", "ucf101-classes",
        "esc50", "esc50-results", "esc50-papers", "esc50-map", "esc50-classes", "comparison", "training",
    ]  # fmt: skip


def test_gallery_marks_by_symbol_and_colour(page):
    text = page.read_text(encoding="utf-8")
    right, wrong = (len(re.findall(f'class="card {word}"', text)) for word in ("right", "wrong"))
    assert right > 0
    assert wrong > 0
    assert text.count(">✓</span>") == right
    assert text.count(">✗</span>") == wrong
    assert text.count('class="lookup"') == 6 + 5  # all queries of split 1, one of them silent
    assert text.count("data:image/jpeg") == right + wrong + 11


def test_papers_stand_beside_ours_and_are_marked(page):
    text = page.read_text(encoding="utf-8")
    papers = text[text.index('id="ucf101-papers"') : text.index('id="ucf101-neighbours"')]
    assert "their data, their scale" in papers
    rows = re.findall(r"<tr.*?</tr>", papers, re.DOTALL)
    numbers = [re.findall(r"<td>(.*?)</td>", row) for row in rows if "<td>" in row]
    assert numbers[0] == ["–", "–", "40.0"]
    assert ["91.8", "88.0", "70.7"] in numbers


def test_unknown_tasks_and_folds_need_no_code(page):
    text = page.read_text(encoding="utf-8")
    part = text[text.index('id="esc50-results"') : text.index('id="esc50-papers"')]
    assert "dreaming depth@7" in part
    assert [word in part for word in (">52.0<", ">12.3", "split 3")] == [True] * 3


def test_runs_side_by_side(page):
    text = page.read_text(encoding="utf-8")
    part = text[text.index('id="comparison"') : text.index('id="training"')]
    assert '<th scope="col">rival</th>' in part
    assert re.search(r"47\.5\s*<span class=\"more\">\+7\.5</span>", part)


def test_clips_are_heard_where_the_files_are(page, data):
    seen = Reader(page.read_text(encoding="utf-8"))
    sounds = json.loads(seen.scripts[0])
    assert set(sounds) == {row.source for row in make_rows()[1:N_GROUPS] if row.has_audio}
    assert all(len(sound) < 20_000 and sound.startswith("data:audio/mpeg;base64,") for sound in sounds.values())
    info = probe(write_bytes(data / "cut.mp3", base64.b64decode(sounds[f"{CLASSES[0]}/v_g01.mp4"].partition(",")[2])))
    assert info.has_audio


def write_bytes(path, content):
    path.write_bytes(content)
    return path


def test_the_same_run_gives_the_same_page(page, run, shard_set, data, other_run):
    before = page.read_bytes()
    assert write_report(run, {"ucf101": shard_set}, data=[data], compare=[other_run]).read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_sections_without_data_are_left_out(run, shard_set, tmp_path):
    results = [result for result in read_results(run / "results.json") if result.test == "ucf101"]
    write_results(tmp_path / "results.json", results)
    text = write_report(tmp_path, {"ucf101": shard_set}).read_text(encoding="utf-8")
    assert re.findall(r'<section id="([\w-]+)"', text) == ["ucf101-results", "ucf101-papers"]
    (tmp_path / "results.json").unlink()
    shutil.copytree(run / "embeddings", tmp_path / "embeddings")
    text = write_report(tmp_path, {"ucf101": shard_set}).read_text(encoding="utf-8")
    parts = ["ucf101", "ucf101-neighbours", "ucf101-map", "ucf101-classes"]
    assert re.findall(r'<section[^>]* id="([\w-]+)"', text) == parts


def test_nothing_to_report_is_an_error(shard_set, tmp_path):
    with pytest.raises(EvaluateError, match="python -m evaluate ucf101"):
        write_report(tmp_path, {"ucf101": shard_set})
    assert not (tmp_path / "report").exists()


def test_sounds_alone(tmp_path):
    rows = [replace(row, has_audio=True) for row in make_rows(media="audio")]
    write_shards(tmp_path / "shards", rows, media="audio")
    write_run(tmp_path / "run", rows, media="audio")
    text = write_report(tmp_path / "run", {"ucf101": tmp_path / "shards"}).read_text(encoding="utf-8")
    assert "data:image/jpeg" not in text
    assert "data:image/png" in text
    assert 'class="lookup"' in text


def test_pictures_shrink_until_they_fit(shard_set):
    sources = [row.source for row in make_rows()]
    best, small = (thumbnails(shard_set, sources, budget) for budget in (10**9, 1))
    assert set(best) == set(small) == set(sources)
    assert {picture.n_frames for picture in best.values()} == {N_FRAMES}
    assert {picture.n_frames for picture in small.values()} == {12}
    assert thumbnails(shard_set, ["never seen.mp4"], 10**9) == {}
    assert gallery.PICTURE_BUDGET_BYTES < 8_000_000


PROBE = """<script>
const problems = [];
addEventListener("error", event => problems.push(String(event.message || event.target.tagName)), true);
addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
addEventListener("securitypolicyviolation", event => problems.push(event.blockedURI));
console.error = text => problems.push(text);
const fail = () => problems.push("markup from data ran");
addEventListener("load", async () => {
  const images = [...document.images];
  const wide = document.documentElement.scrollWidth - innerWidth;
  document.querySelector(".expand").click();
  document.querySelector(".play-all").click();
  const film = document.querySelector(".clip .film");
  const audible = [...document.querySelectorAll(".clip[data-sound]")].find(clip => clip.offsetParent);
  audible.click();
  await new Promise(done => setTimeout(done, 300));
  const result = {
    problems, images: images.length, loaded: images.filter(image => image.naturalWidth > 0).length, wide,
    animations: film.getAnimations().length, steps: getComputedStyle(film).animationTimingFunction,
    splits: document.querySelectorAll("tr.split:not([hidden])").length,
    dots: [...document.querySelectorAll("#ucf101-map .plane .dot")].filter(dot => dot.style.display !== "none").length,
    reduced: matchMedia("(prefers-reduced-motion: reduce)").matches,
    glide: getComputedStyle(document.querySelector("#ucf101-map .plane .dot")).transitionDuration,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    ground: getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number),
    // Without waiting for the decoder: the browser's virtual time would run out before it.
    sound: playing && playing.clip === audible && playing.sound.src.slice(0, 15) + ";" + playing.sound.canPlayType("audio/mpeg"),
    still: document.querySelector(".lookup:nth-of-type(2) .film").getAnimations().length,
  };
  document.querySelector('[data-switch="ucf101-gallery"] input[value="audio"]').click();
  document.querySelector('[data-switch="ucf101-map-modality"] input[value="audio"]').click();
  document.querySelector('#ucf101-map input[data-role="0"]').click();
  result.panel = document.querySelector('[data-panel="ucf101-gallery"]:not([hidden])').dataset.value;
  const shown = [...document.querySelectorAll("#ucf101-map .plane .dot")].filter(dot => dot.style.display !== "none");
  result.audioTestDots = shown.length;
  const onScreen = document.querySelector("#ucf101-map .plane svg").getScreenCTM();
  const [, x, y] = shown[0].style.transform.match(/([\\d.]+)px, ([\\d.]+)px/).map(Number);
  document.querySelector("#ucf101-map .plane svg").dispatchEvent(new PointerEvent("pointermove", {
    clientX: onScreen.a * x + onScreen.e, clientY: onScreen.d * y + onScreen.f }));
  result.tip = document.querySelector("#ucf101-map .tip").textContent;
  const legend = () => [...document.querySelectorAll("#ucf101-map .legend button")].map(entry => entry.textContent);
  result.legends = ["class", "split", "source"].map(value => {
    document.querySelector(`[data-switch="ucf101-map-colour"] input[value="${value}"]`).click();
    return legend().length;
  });
  document.querySelector('[data-switch="ucf101-confusion"] input[value="audio linear"]').click();
  result.matrix = document.querySelector('[data-panel="ucf101-confusion"]:not([hidden])').dataset.value;
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = "PROBE" + btoa(unescape(encodeURIComponent(JSON.stringify(result)))) + "PROBE";
  document.body.append(out);
});
</script>"""


def browse(address, profile, *options):
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={profile}", "--allow-file-access-from-files", "--virtual-time-budget=8000", *options,
        "--dump-dom", address,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
@pytest.mark.parametrize("options", [(), ("--force-prefers-reduced-motion",), ("--force-dark-mode",)])
@pytest.mark.parametrize("width", [1280, 400])
def test_in_a_browser(page, tmp_path, width, options):
    # A window is never narrower than 500 px: the page stands in a frame, from where the probe tells its parent.
    probe = PROBE.replace("document.body.append(out)", "parent.document.body.append(out)")
    inner, outer = tmp_path / "page.html", tmp_path / "frame.html"
    inner.write_text(page.read_text(encoding="utf-8").replace("<head>", f"<head>{probe}", 1), encoding="utf-8")
    outer.write_text(f'<body><iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>')
    text = browse(outer.as_uri(), tmp_path / "profile", f"--window-size={max(width, 500) + 20},1000", *options)
    result = json.loads(base64.b64decode(re.search("PROBE(.+?)PROBE", text)[1]))
    assert result["problems"] == []
    assert result["images"] == result["loaded"] > 60
    assert result["wide"] <= 0, "the page must not scroll sideways"
    assert result["animations"] == 1
    assert result["steps"] == f"steps({N_FRAMES})"
    assert result["still"] == 0
    assert result["splits"] == 3
    assert result["dots"] == 18
    assert result["reduced"] == ("--force-prefers-reduced-motion" in options)
    assert (result["glide"] == "0s") == result["reduced"]
    assert (max(result["ground"]) < 80) == result["dark"]
    assert result["panel"] == "audio"
    assert result["sound"] == "data:audio/mpeg;probably"
    assert result["legends"] == [3, 3, 18]
    assert result["matrix"] == "audio linear"
    assert result["audioTestDots"] == 5
    assert "test" in result["tip"]
