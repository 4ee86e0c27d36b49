"""Pictures of the pages for README: `make pictures` (needs headless Chromium and the files of `make demo`).

Writes demo-page.png, the page of the sample's run, and match-page.png, the page of matches: three edited clips of sample
videos are matched against an index of 84 of these videos, of which one clip's video is not a part. review-page.png is the
review of one of these matches in the web application.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from evaluate.__main__ import main as evaluate_command
from preprocess.media.ffmpeg import ffmpeg_executable

WIDTH_PX = 1280
VIDEOS_A_CLASS = 6
BROWSERS = ("chromium", "google-chrome", "chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
REVIEWED = "bordered-and-faster.mp4"
EDITS = {
    "cropped.mp4": ("crop=iw*0.7:ih*0.7,scale=160:120", "volume=0.5"),
    "bordered-and-faster.mp4": ("pad=iw*1.3:ih*1.3:-1:-1,setpts=PTS/1.1", "atempo=1.1"),
    "not-in-the-archive.mp4": ("null", "anull"),
}
"""Query -> ffmpeg's filters of video and audio. The video of the last query is not indexed."""

_log = logging.getLogger("pictures")


def main(argv: Sequence[str] | None = None) -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/sample"))
    parser.add_argument("--data", type=Path, default=Path("data/sample"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        matches = match_page(arguments.data, Path(folder))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
            take_picture(browser, arguments.run / "report/index.html", arguments.out / "demo-page.png", height_px=1130)
            take_picture(browser, matches, arguments.out / "match-page.png", height_px=800)
            take_picture_of_review(browser, Path(folder), arguments.out / "review-page.png")


def match_page(data: Path, work: Path) -> Path:
    """Index some sample videos, match edited clips of two of them, and write the page of the matches."""
    classes = [sorted(folder.glob("*")) for folder in sorted(data.iterdir()) if folder.is_dir()]
    indexed = [path for videos in classes for path in videos[:VIDEOS_A_CLASS]]
    archive, queries = work / "archive", work / "queries"
    archive.mkdir()
    queries.mkdir()
    for path in indexed:
        shutil.copy(path, archive)
    sources = (classes[0][1], classes[3][1], classes[1][-1])
    for (name, (video, audio)), path in zip(EDITS.items(), sources, strict=True):
        command = [ffmpeg_executable(), "-v", "error", "-ss", "0.5", "-t", "3", "-i", str(path), "-vf", video]
        subprocess.run([*command, "-af", audio, "-crf", "30", str(queries / name)], check=True)
    evaluate_command(["index", str(archive), "--index", str(work / "index")])
    page = work / "matches.html"
    evaluate_command(["match", str(queries), "--index", str(work / "index"), "--page", str(page)])
    return page


def take_picture(browser: Browser, page: Path, picture: Path, *, height_px: int) -> None:
    """Save the top of a page."""
    shown = browser.new_page(viewport={"width": WIDTH_PX, "height": height_px})
    shown.goto(page.absolute().as_uri())
    shown.screenshot(path=picture)
    shrink(picture)


def take_picture_of_review(browser: Browser, work: Path, picture: Path) -> None:
    """Match a query of `match_page` in the web application, and save the review of its best match, a second on."""
    with served(work / "index") as address:
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 750})
        page.goto(address)
        page.click("text=Match a clip")
        page.set_input_files("#file", work / "queries" / REVIEWED)
        page.click("article .open", timeout=60_000)
        page.wait_for_selector("#lanes svg")
        page.keyboard.press("ArrowRight")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=picture)
    shrink(picture)


@contextmanager
def served(index: Path) -> Iterator[str]:
    """Run the web application on an index; give its address, with the token."""
    command = [sys.executable, "-m", "evaluate", "serve", "--index", str(index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        first = server.stdout.readline() if server.stdout else ""
        try:
            yield first.removeprefix("open ").strip()
        finally:
            server.terminate()


def browser_path() -> str:
    """Return the path of a browser, or end."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser: install one of {', '.join(BROWSERS)}")
    return browser


def shrink(picture: Path) -> None:
    """Save a PNG again with 256 colours."""
    Image.open(picture).convert("RGB").quantize(256).save(picture, optimize=True)
    _log.info("%s: %d kB", picture, picture.stat().st_size // 1000)


if __name__ == "__main__":
    main()
