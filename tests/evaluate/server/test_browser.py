"""The pages in a real browser, over a server of its own process and an index of videos that are made here."""

import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from evaluate.archive.duplicates import find_duplicates
from evaluate.fingerprint.api import Index
from tests.evaluate.archive.conftest import INTRO, write_pieces
from tests.evaluate.server.conftest import TOKEN, serving
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import wait_for

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
HOSTILE = """<img src=x onerror="alert(1)"> & 'ü'.mp4"""
SOURCE, COPY = "news/long.mp4", f"web/{HOSTILE}"
CUT_SECONDS, SPEED = 6.0, 1.25
IN_STEP_SECONDS, MET_SECONDS = 0.1, 0.5
FAR_SECONDS, BACK_SECONDS = 0.3, 2.0
"""One of two videos may stall when both start, or where cores are short; then the other waits, and they meet again."""
MOMENTS = """() => {
    window.moments = [];
    const look = () => {
        const videos = [...document.querySelectorAll("#stage video")];
        const moment = [performance.now() / 1000, ...videos.map((each) => each.currentTime)];
        if (!videos.some((each) => each.seeking)) moments.push(moment);
        window.looking = requestAnimationFrame(look);
    };
    look();
}"""
"""Notes the moments of both videos at each frame of the screen."""
MET = """([leader, until, start, otherStart, speed, within, seconds]) => {
    const apart = ([, ...each]) => Math.abs(each[1 - leader] - otherStart - (each[leader] - start) * speed);
    const now = moments.at(-1), since = moments.findLast((each) => apart(each) >= within)?.[0] ?? moments[0]?.[0];
    return now?.[1] > until && now[0] - since > seconds;
}"""
"""Whether the left video is past a moment and both have been in step for some seconds."""
CONTROLS = "a[href], button:enabled, input:enabled, summary, [tabindex]"
FOCUSED = """(controls) => {
    const of = document.activeElement, visible = (each) => each.checkVisibility({ visibilityProperty: true });
    const all = [...document.querySelectorAll(controls)].filter(visible);
    const group = all.find((each) => each === of || (of.type === "radio" && each.name === of.name));
    const isShown = [of, of.nextElementSibling, of.parentElement].some((each) =>
        each && getComputedStyle(each).outlineStyle !== "none" && parseFloat(getComputedStyle(each).outlineWidth) >= 2);
    return [all.indexOf(group), isShown, of.outerHTML.slice(0, 200)];
}"""
REACHABLE = """(controls) => [...document.querySelectorAll(controls)]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }))
    .map((each, i, all) => all.findIndex((one) => one === each || (one.type === "radio" && one.name === each.name)))"""
FAINT = """() => {
    const drawn = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        drawn.clearRect(0, 0, 1, 1);
        drawn.fillStyle = color;
        drawn.fillRect(0, 0, 1, 1);
        return [...drawn.getImageData(0, 0, 1, 1).data];
    };
    const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const ground = (node) => {
        const found = node ? rgba(getComputedStyle(node).backgroundColor) : [255, 255, 255, 255];
        return found[3] === 255 ? found : ground(node.parentElement);
    };
    const faint = [], check = (node, color, text) => {
        const [low, high] = [luminance(rgba(color)), luminance(ground(node))].sort((a, b) => a - b);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${node.tagName} ${node.className.baseVal ?? node.className}: ${text}`);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const { parentElement: node, data } = texts.currentNode, style = getComputedStyle(node);
        if (!data.trim() || !node.checkVisibility({ visibilityProperty: true }) || node.closest(":disabled")) continue;
        check(node, node.closest("svg") ? style.fill : style.color, data.trim());
    }
    for (const node of document.querySelectorAll("[placeholder]")) {
        if (node.checkVisibility()) check(node, getComputedStyle(node, "::placeholder").color, node.placeholder);
    }
    return faint;
}"""
"""Visible text with less contrast than 4.5 : 1, as WCAG 2.2 computes it; what is disabled is exempt there too."""
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
NAMED = {"button", "link", "textbox", "searchbox", "spinbutton", "checkbox", "radio", "progressbar", "Video", "dialog"}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="needs Chromium")]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """23 videos: three are copies, one under a name like markup, one in a codec no browser plays; nine share an intro."""
    root = tmp_path_factory.mktemp("made")
    for folder in ("news", "web"):
        (root / "videos" / folder).mkdir(parents=True)
    for number in range(10):
        write_pieces(root / f"videos/news/{number:02d}.mp4", (number, 8.0))
    write_pieces(root / "videos" / SOURCE, (50, 24.0))
    for number in range(9):
        write_pieces(root / f"videos/series {number}.mp4", INTRO, (100 + number, 4.0))
    coding = ("-c:v", "libx264", "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac")
    for name, edits, copy in (
        ("01.mp4", ["-vf", "scale=96:64", *coding], "copy.mp4"), ("03.mp4", ["-ss", 2, *coding], "part.mp4"),
        ("02.mp4", ["-c:v", "mpeg4", "-q:v", 3, "-c:a", "mp3"], "old.avi"),
    ):  # fmt: skip
        run_ffmpeg("-i", root / "videos/news" / name, *edits, root / "videos/web" / copy)
    shutil.move(root / "videos/web/copy.mp4", root / "videos" / COPY)
    (root / "videos/web/torn.mp4").write_bytes(b"torn")
    edits = ("-vf", f"hflip,setpts=PTS/{SPEED}", "-af", f"atempo={SPEED}")
    run_ffmpeg("-ss", CUT_SECONDS, "-t", 14, "-i", root / "videos" / SOURCE, *edits, *coding, root / "clip.mp4")
    return root


@pytest.fixture(scope="module")
def served(videos):
    """A client of a server whose index is made and searched for duplicates."""
    index = Index.open(videos / "index")
    index.add(videos / "videos", stills=True)
    find_duplicates(index)
    (videos / "in").mkdir()
    with serving(videos / "index", "--watch", videos / "in", "--watch-out", videos / "watched.jsonl") as (client, _):
        yield client


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=[*FLAGS])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, served, request):
    """A page of 1280 px, or as the test's parameter says; it must log no error and ask no other machine."""
    options = {"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(base_url=str(served.base_url), **options)
    page, errors, hosts = context.new_page(), [], set()
    page.set_default_timeout(60_000)
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda asked: hosts.add(urlsplit(asked.url).netloc))
    page.goto(f"/?token={TOKEN}")
    yield page
    assert not errors
    assert hosts == {served.base_url.netloc.decode()}
    context.close()


def drop(page, path):
    """Drop a file on the page, as from a folder."""
    page.wait_for_selector("#drop")
    page.wait_for_load_state()  # its scripts take the drop
    page.evaluate("() => document.body.append(Object.assign(document.createElement('input'), {type: 'file', id: 'h'}))")
    page.set_input_files("#h", path)
    held = page.evaluate_handle("() => { const t = new DataTransfer(); t.items.add(window.h.files[0]); return t; }")
    page.dispatch_event("#drop", "drop", {"dataTransfer": held})


def times(page):
    """Moments of the left and of the right video, in seconds."""
    return page.evaluate("() => [...document.querySelectorAll('#stage video')].map((each) => each.currentTime)")


def first_span(page):
    """Start of the first span in both files, and how many seconds of the right one pass in one of the left one."""
    asked = dict(parse_qsl(urlsplit(page.url).query))
    if "pair" in asked:
        span = page.request.get(f"/api/duplicates/pairs/{asked['pair']}").json()["spans"][0]
    else:
        span = page.request.get(f"/api/queries/{asked['query']}").json()["matches"][int(asked["match"])]
    return span["query_start_seconds"], span["reference_start_seconds"], span["speed"]


def play_in_step(page, seconds=2.0, *, is_swapped=False):
    """Play for some seconds of the left video and until both are in step; they must not stay far apart."""
    page.wait_for_selector("#lanes .film")
    start, other_start, speed = first_span(page)
    first, other_first = times(page)
    page.evaluate(MOMENTS)
    page.keyboard.press("Space")
    line = [start, other_start, speed, IN_STEP_SECONDS, MET_SECONDS]
    page.wait_for_function(MET, arg=[int(is_swapped), first + seconds, *line])
    page.evaluate("() => cancelAnimationFrame(looking)")
    page.keyboard.press("Space")
    frames = page.evaluate("() => moments")
    found = [(t, other) for _, t, other in frames if t > first and other > other_first]
    assert len(found) > 3 * seconds
    last_near = frames[0][0]
    for now, *moment in frames:
        t, other = reversed(moment) if is_swapped else moment
        if abs(other - (other_start + (t - start) * speed)) < FAR_SECONDS:
            last_near = now
        assert now - last_near < BACK_SECONDS, frames
    return found, speed


def press(page, key, shown, state="visible"):
    """Press a key, and wait for what it makes the page show."""
    page.keyboard.press(key)
    page.wait_for_selector(shown, state=state)


def review(page, chosen="#first"):
    """Review the first open pair, or one that is chosen from the list; return its address."""
    page.goto("/duplicates")
    page.click(chosen)
    page.wait_for_selector("#lanes .film")
    return page.url


def test_a_dropped_clip_plays_in_step_with_its_source_and_a_decision_is_kept(page, videos):
    page.click("nav >> text=Match a clip")
    drop(page, videos / "clip.mp4")
    card = page.locator("article").first
    assert "long.mp4" in card.inner_text()
    assert "mirrored" in card.inner_text()
    card.locator("text=Review").click()
    found, speed = play_in_step(page, 4)
    assert speed == pytest.approx(SPEED, abs=0.08)
    for t, other in found:
        assert other == pytest.approx(CUT_SECONDS + SPEED * t, abs=0.75)
    page.locator("#map .reach").first.click(force=True)  # the middle of the span
    start, _, _ = first_span(page)
    length = page.evaluate("() => document.querySelector('#stage video').duration") - start
    assert times(page)[0] == pytest.approx(start + length / 2, abs=0.15 * length)
    page.keyboard.press("m")
    assert "scaleX(-1)" in page.locator("#stage video").first.evaluate("(video) => video.style.transform")
    press(page, "s", '#same[aria-pressed="true"]')
    page.reload()
    page.wait_for_selector('#same[aria-pressed="true"]')
    press(page, "u", '#same[aria-pressed="false"]')
    page.reload()
    page.wait_for_selector("#lanes img")
    assert page.locator('.decide [aria-pressed="true"]').count() == 0


def test_pairs_are_decided_by_keys_alone_one_after_another(page):
    page.keyboard.press("Tab")  # skip link, brand, pages
    for _ in range(9):
        if page.evaluate("() => document.activeElement.textContent") == "Duplicates":
            break
        page.keyboard.press("Tab")
    press(page, "Enter", "article")
    assert page.locator("article").count() == 3
    page.locator("#first").focus()
    press(page, "Enter", "#lanes img")
    first = page.url
    play_in_step(page)
    at = times(page)[0]
    page.keyboard.press("ArrowLeft")
    assert times(page)[0] == pytest.approx(at - 1, abs=0.05)
    left = page.locator("#stage .name").first.inner_text()
    page.keyboard.press("x")
    assert page.locator("#stage .name").last.inner_text() == left
    press(page, "k", "#facts >> text=kept by verdict")
    page.reload()
    page.wait_for_selector("#facts >> text=kept by verdict")
    press(page, "u", "#facts >> text=kept by verdict", state="hidden")
    page.keyboard.press("d")
    page.wait_for_url(lambda url: url != first)
    press(page, "s", "#notice:has-text('Same')")
    press(page, "u", "#notice:has-text('Taken back')")
    page.keyboard.press("u")
    page.wait_for_url(first)
    page.wait_for_selector('#different[aria-pressed="false"]')
    page.keyboard.press("?")
    assert page.locator("dialog dt").count() > 12
    page.keyboard.press("Escape")
    page.go_back()
    page.goto(page.locator("#back").evaluate("(link) => link.href"))
    page.wait_for_selector("article")
    assert page.locator("#facts").inner_text().startswith("3 open")


def test_a_key_that_is_held_decides_one_pair(page):
    first = review(page)
    for _ in range(6):
        page.keyboard.down("d")  # again without a release: as a held key repeats
    page.wait_for_url(lambda url: url != first)
    page.wait_for_selector("#undo:enabled")
    for _ in range(6):
        page.keyboard.down("d")
    page.keyboard.up("d")
    assert [each["kind"] for each in page.request.get("/api/verdicts").json()] == ["different"]
    at = times(page)[0]
    page.keyboard.down(".")
    page.keyboard.down(".")
    page.keyboard.up(".")
    assert times(page)[0] > at + 0.1  # frames may repeat
    page.keyboard.press("u")
    page.wait_for_url(first)
    page.wait_for_selector('#different[aria-pressed="false"]')


def test_decisions_are_kept_though_the_list_to_take_them_back_is_full(page):
    first = review(page)
    page.evaluate(
        """() => {
            const tried = (name, text) => {
                try { sessionStorage.setItem(name, text); return text; } catch { return sessionStorage.getItem(name) ?? ""; }
            };
            tried("decisions", JSON.stringify([{ undo: [], address: "/", title: "x".repeat(2 ** 20) }]));
            for (let n = 2 ** 24, rest = ""; n >= 1; n /= 2) rest = tried("rest", rest + "x".repeat(n));
        }"""
    )
    page.keyboard.press("d")
    page.wait_for_url(lambda url: url != first)
    press(page, "s", "#notice:has-text('Same')")
    press(page, "u", "#notice:has-text('Taken back')")
    page.keyboard.press("u")
    page.wait_for_url(first)
    page.wait_for_selector('#different[aria-pressed="false"]')


def test_a_codec_that_no_browser_plays_is_played_from_a_copy(page):
    review(page, "article:has-text('old.avi') >> text=Review")
    play_in_step(page)
    assert page.locator("#stage .problem:visible").count() == 0
    assert "mpeg4" in page.locator("#facts").inner_text()


def test_the_list_of_the_archive_is_searched_and_sorted_and_survives_a_reload(page, videos):
    page.goto("/?offset=50")  # of a list that became shorter
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr").count() == 24
    page.click("tbody >> text=05.mp4")
    video = page.locator("#preview video")
    video.evaluate("(video) => video.play()")
    page.click("#preview >> [aria-label=Close]")
    assert video.evaluate("(video) => [video.paused, video.readyState]") == [True, 0]
    page.keyboard.press("/")
    page.keyboard.type("lon?s")  # keys of the page are text in a field
    page.wait_for_selector("#empty:visible")
    page.fill("#search", "web/")
    page.click("thead >> text=Size")
    page.click("thead >> text=Size")
    page.reload()
    page.wait_for_selector("tbody tr")
    names = page.locator("tbody th button strong").all_inner_texts()
    assert {Path(name).name for name in names} == {HOSTILE, "old.avi", "part.mp4", "torn.mp4"}
    assert names[-1] == "torn.mp4"
    page.click("#errors summary")
    assert "web/torn.mp4" in page.locator("#errors").inner_text()
    shutil.copy(videos / "videos/news/05.mp4", videos / "videos/web/new.mp4")
    page.click("#index")
    page.click("#runs button:has-text('Stop')")
    page.wait_for_selector("#runs:has-text('stopped')")
    page.click("#index")
    page.wait_for_selector("#runs button:has-text('Stop')")
    page.evaluate(HIDE, True)  # as another tab does: the page hears of nothing until it is shown again
    wait_for(lambda: page.request.get("/api/runs").json()[0]["state"] == "done", seconds=300)
    page.evaluate(HIDE, False)
    page.wait_for_selector("tbody >> text=new.mp4")
    assert "done" in page.locator("#runs").inner_text()


@pytest.mark.parametrize("side", [0, 1])
def test_a_video_that_starts_late_holds_the_other(page, side):
    review(page, "article:has-text('part.mp4') >> text=Review")
    page.locator("#stage video").nth(side).evaluate(
        """(video) => {
            const play = video.play.bind(video);
            let late = null;
            video.play = () => late ??= new Promise((done) => setTimeout(() => { late = null; done(play()); }, 400));
        }"""
    )
    play_in_step(page)


def test_swapped_sides_keep_moment_sound_and_step(page):
    review(page, "article:has-text('part.mp4') >> text=Review")
    play_in_step(page, 1)
    before = times(page)
    page.keyboard.press("x")
    assert times(page) == pytest.approx(before[::-1], abs=IN_STEP_SECONDS)  # the swap seeks to the very line
    assert "right" in page.locator("#sound").inner_text()
    play_in_step(page, 1, is_swapped=True)


def test_a_segment_is_ignored_by_key_or_button_and_counts_again(page):
    first = review(page)
    page.keyboard.press("i")
    page.wait_for_url(lambda url: url != first)
    assert "Ignored everywhere" in page.locator("#notice").inner_text()
    page.click("#back")
    page.wait_for_selector(".group:has-text('Set aside') >> .chip.ignored")
    page.go_back()
    page.wait_for_selector("#undo:enabled")
    page.keyboard.press("u")
    page.wait_for_url(first)
    page.wait_for_selector("#chips >> text=open")
    page.goto("/duplicates")
    page.click("#segments summary")
    assert page.locator("#segments li li").count() == 9
    page.click("text=Ignore everywhere")
    page.wait_for_selector("#segments", state="hidden")
    page.click("#notice >> text=Undo")
    page.wait_for_selector("#segments li")


def test_a_group_is_decided_at_once_by_key_or_button_and_undone_in_one_step(page, served):
    """Two groups of two are made one of four: six pairs."""
    join = [{"kind": "same", "names": ["news/01.mp4", "news/02.mp4"]}]
    undo = served.post("/api/verdicts", json=join).json()["undo"]
    page.goto("/duplicates")
    page.wait_for_selector(".group:has-text('4 sources') >> .chip.same")
    page.keyboard.press("s")  # no group has the focus
    page.keyboard.press("n")
    page.keyboard.press("n")
    page.keyboard.press("p")
    group = page.locator(".group").filter(has=page.locator(":focus"))
    assert "4 sources" in group.inner_text()
    press(page, "s", "#notice:has-text('The same')")
    assert page.locator(".group:has-text('4 sources') >> .chip.same").count() == 6
    assert "1 open" in page.locator("#facts").inner_text()
    page.reload()
    page.wait_for_selector("#undo:enabled")
    press(page, "u", "#notice:has-text('Taken back')")
    assert page.locator(".group:has-text('4 sources') >> .chip.same").count() == 1
    page.click(".group:has-text('4 sources') >> text=Keep old.avi")
    page.wait_for_selector("#notice:has-text('Keep web/old.avi')")
    page.click(".group:has-text('4 sources') >> article >> text=Review >> nth=0")
    page.wait_for_selector("#undo:enabled")
    press(page, "u", "#notice:has-text('Taken back')")
    page.goto("/duplicates")
    page.click(".group:has-text('4 sources') >> text=None the same")
    page.wait_for_selector(".group:has-text('Set aside') >> .chip.different")
    page.click("#notice >> text=Undo")
    page.wait_for_selector(".group:has-text('4 sources')")
    served.post("/api/verdicts", json=undo)
    assert served.get("/api/verdicts").json() == []


def test_a_dropped_picture_names_its_video_and_is_reviewed_beside_it(page, videos):
    run_ffmpeg("-ss", 3.2, "-i", videos / "videos/news/03.mp4", "-frames:v", 1, "-y", videos / "still.png")
    page.click("nav >> text=Match a clip")
    drop(page, videos / "still.png")
    page.wait_for_selector("#answer >> text=An image is never decided")
    card = page.locator("#answer article:has-text('03.mp4'), #answer article:has-text('part.mp4')").first
    assert "0:03." in card.inner_text() or "0:01." in card.inner_text()
    card.locator("text=Review").click()
    page.wait_for_selector("#lanes .film")
    assert "an image is never decided" in page.locator("#chips").inner_text()
    picture = page.locator("#stage video").last
    wide = """(video) => new Promise((done) => {
        const shown = new Image();
        shown.onload = () => done(shown.naturalWidth);
        shown.src = video.poster;
    })"""
    assert picture.evaluate(wide) == 528
    at = times(page)[0]
    page.keyboard.press("Space")
    page.wait_for_function(f"() => document.querySelector('#stage video').currentTime > {at + 0.5}")
    page.keyboard.press("Space")


def test_what_comes_into_the_watched_folder_is_told_with_a_link(page, videos):
    page.wait_for_selector("#watched:has-text('0 came in')")
    shutil.copy(videos / "clip.mp4", videos / "in/came <b>.mp4")
    page.wait_for_selector("#watched:has-text('1 matched, 1 found')")
    page.click("#watched >> text=came <b>.mp4")
    page.wait_for_selector("article:has-text('long.mp4')")


def test_the_page_stays_after_a_decision_if_told_to(page):
    first = review(page)
    page.check("#stay")
    press(page, "d", '#different[aria-pressed="true"]')
    page.reload()
    page.wait_for_selector('#different[aria-pressed="true"]')
    assert page.is_checked("#stay")
    press(page, "u", '#different[aria-pressed="false"]')
    assert page.url == first


def each_page(page):
    """Open one page or dialog after another."""
    page.wait_for_selector("tbody tr")
    page.click("#errors summary")
    yield "archive"
    page.click("tbody th button >> nth=0")
    yield "a source"
    page.goto("/match")
    page.wait_for_selector("#drop")
    page.fill("#path", "news/long.mp4")
    press(page, "Enter", "#history li")
    page.fill("#path", "")
    yield "match"
    page.goto("/duplicates")
    page.wait_for_selector("article img")
    page.click("details.options summary")
    yield "duplicates"
    page.check('[name="agree"][value="video"]')
    page.wait_for_url("**agree=video")
    page.click("#export")
    assert "form=keep.sh&agree=video" in page.locator("#exports li a").first.get_attribute("href")
    yield "exports"
    page.goto(page.locator("#first").get_attribute("href"))
    page.wait_for_selector("#lanes img")
    yield "review"
    page.keyboard.press("?")
    yield "keys"


@pytest.mark.parametrize(
    "page",
    [
        {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "reduced_motion": "reduce"}
        for width in (400, 1280)
        for scheme in ("light", "dark")
    ],
    indirect=True,
)
def test_every_page_fits_is_legible_and_has_names(page):
    for shown in each_page(page):
        wide, dark = page.evaluate(
            """() => [document.documentElement.scrollWidth - innerWidth,
                getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).every((each) => each < 80)]"""
        )
        assert wide <= 0, shown
        assert dark == page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
        assert page.evaluate(FAINT) == [], shown
        nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        told = [each for each in nodes if not each["ignored"]]
        named = [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in told]
        assert not [role for role, name in named if role in NAMED and not any(map(str.isalpha, name))], (shown, named)
        assert page.evaluate("() => getComputedStyle(document.querySelector('button')).transitionDuration") == "0s"


def test_every_control_is_reached_by_tab_with_a_visible_focus(page):
    for shown in each_page(page):
        if page.locator("dialog[open]").count():
            continue
        page.keyboard.press("Tab")  # a focus after a click shows nothing
        page.locator(".skip").focus()
        missing = set(page.evaluate(REACHABLE, CONTROLS))
        for _ in range(3 * len(missing)):
            at, is_visible, element = page.evaluate(FOCUSED, CONTROLS)
            missing.discard(at)
            assert is_visible or at < 0, (shown, element)
            if not missing:
                break
            page.keyboard.press("Tab")
        assert not missing, shown


def test_without_the_token_a_page_says_where_to_find_it(browser, served):
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(str(served.base_url)).status == 401
    assert "The server prints it" in page.locator("main").inner_text()
    context.close()
