"""The commands, and how they show their outcome on the terminal."""

import argparse
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preprocess.progress import Progress, duration_text

if TYPE_CHECKING:
    from preprocess.build.pipeline import Summary
    from preprocess.sources import Catalogue

REASON_WIDTH = 110

_STYLES = {"ok": "", "note": "yellow", "broken": "bold red"}


def _say(text: str, style: str = "") -> None:
    """Print a line, markup and all, as it is."""
    Console(highlight=False, soft_wrap=True).print(text, style=style, markup=False)


def shards(args: argparse.Namespace) -> int:
    """Build shards and show the summary."""
    from preprocess.build.build_shards import open_data
    from preprocess.build.pipeline import build
    from preprocess.executors.options import chosen_executor
    from preprocess.media.media_info import Limits

    started = time.monotonic()
    catalogue, params = open_data(
        args.dataset, args.data, args.splits, args.csv, args.classes or (), args.preset, args.set
    )
    _show_catalogue(catalogue)
    with Progress("sources") as shown:
        summary = build(
            catalogue, args.out, params, workers=args.workers, executor=chosen_executor(args),
            retry_failed=args.retry_failed, max_failed=args.max_failed,
            limits=Limits(max_duration_seconds=3600 * args.max_hours), progress=shown.show,
        )  # fmt: skip
    _show_summary(summary, time.monotonic() - started)
    return 1 if summary.too_many_failed or catalogue.unreadable else 0


def _show_catalogue(catalogue: "Catalogue") -> None:
    """Say what was found, and name the files that do not fit the lists."""
    from preprocess.catalogues.scan import first_names

    labels = f", {len(catalogue.label_names)} classes" if catalogue.label_names else ""
    _say(f"{catalogue.dataset}: {len(catalogue.sources)} sources{labels}")
    for names, state in ((catalogue.missing, "listed but missing"), (catalogue.extra, "there but not listed")):
        if names:
            _say(f"{len(names)} {state}: {first_names(names)}", "yellow")


def _show_summary(summary: "Summary", seconds: float) -> None:
    """Show counts, and why sources failed."""
    n_ok = summary.n_sources - summary.n_failed
    state = f"{summary.n_shards_kept} were there before" if summary.n_shards_built else "nothing left to build"
    _say(
        f"{n_ok} of {summary.n_sources} sources -> {summary.n_segments} segments "
        f"({duration_text(summary.media_seconds)}, {summary.n_segments_with_audio} with audio) "
        f"in {summary.n_shards} shards ({state}) after {duration_text(seconds)}"
    )
    if summary.failures:
        table = Table("sources", "reason", "for example", title=f"failed sources: {summary.n_failed}")
        for failure in summary.failures:
            table.add_row(str(failure.n_sources), escape(failure.reason[:REASON_WIDTH]), escape(failure.example))
        Console(highlight=False).print(table)
        _say("manifest.parquet holds the full reasons; mended, run again with --retry-failed.")
    _say(f"{summary.folder} fingerprint {summary.fingerprint[:16]}", "dim")


def verify(arguments: argparse.Namespace) -> int:
    """Check a shard set and list what is wrong."""
    from preprocess.shards.manifest import read_dataset
    from preprocess.verify.shard_set import verify as find

    findings = find(arguments.folder, workers=arguments.workers)
    for finding in findings:
        _say(str(finding), "red")
    if findings:
        _say(f"{len(findings)} findings", "bold red")
        return 1
    info = read_dataset(arguments.folder)
    n_ok = info.n_sources - info.n_failed
    _say(f"whole: {len(info.shards)} shards, {info.n_segments} segments of {n_ok} sources", "green")
    return 0


def push(arguments: argparse.Namespace) -> int:
    """Copy a shard set to a URL."""
    from preprocess.remote import push_set

    with Progress("files") as shown:
        push_set(arguments.folder, arguments.url, shown.show)
    _say(f"{arguments.url}: the shard set of {arguments.folder}")
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Copy a shard set from a URL."""
    from preprocess.remote import fetch_set

    with Progress("files") as shown:
        info = fetch_set(arguments.url, arguments.folder, shown.show)
    _say(f"{arguments.folder}: {len(info.shards)} shards, {info.n_segments} segments")
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Show a line for every requirement."""
    from preprocess.doctor import check

    is_broken = False
    for found in check(arguments.out):
        is_broken = is_broken or found.status == "broken"
        remedy = f" -> {found.remedy}" if found.remedy else ""
        _say(f"{found.status:<6} {found.name:<16} {found.found}{remedy}", _STYLES[found.status])
    return 1 if is_broken else 0


def sample(arguments: argparse.Namespace) -> int:
    """Render the sample videos."""
    from preprocess.synthetic.sample.world import generate

    with Progress("videos") as shown:
        out = generate(
            arguments.out, seed=arguments.seed, n_groups=arguments.groups, n_clips=arguments.clips,
            classes=arguments.classes, workers=arguments.workers, progress=shown.show,
        )  # fmt: skip
    _say(f"{out}: the sample videos, in the layout of UCF101")
    return 0


def collage(arguments: argparse.Namespace) -> int:
    """Render an archive of generated videos."""
    from preprocess.synthetic.collage.archive import generate

    with Progress("videos") as shown:
        out = generate(
            arguments.out, seed=arguments.seed, n_videos=arguments.videos, seconds=arguments.seconds,
            workers=arguments.workers, progress=shown.show,
        )  # fmt: skip
    duration = duration_text(arguments.videos * arguments.seconds)
    _say(f"{out}: {arguments.videos} generated videos, {duration} of video and audio")
    return 0
