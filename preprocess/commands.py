"""What the commands do, and how their outcome looks on the terminal."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preprocess.progress import Progress, duration_text

if TYPE_CHECKING:
    from preprocess.build.pipeline import Summary
    from preprocess.sources import Catalogue

MAX_NAMES = 5
"""Missing or extra files that are named; the rest is counted."""
REASON_WIDTH = 110

_STYLES = {"ok": "green", "note": "yellow", "broken": "bold red"}


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def shards(arguments: argparse.Namespace) -> int:
    """Build shards and show the summary."""
    from preprocess.build.pipeline import build
    from preprocess.catalogues.open_catalogue import open_catalogue
    from preprocess.catalogues.selection import changed_params, only_classes
    from preprocess.executors.options import chosen_executor
    from preprocess.media.media_info import Limits

    started = time.monotonic()
    catalogue = open_catalogue(arguments.dataset, arguments.data, arguments.splits, arguments.csv)
    if arguments.classes:
        catalogue = only_classes(catalogue, arguments.classes, arguments.data)
    default = "audio" if catalogue.media == "audio" else "default"
    params = changed_params(arguments.preset or default, arguments.set)
    console = _console()
    _show_catalogue(catalogue, console)
    with Progress("sources") as shown:
        summary = build(
            catalogue,
            arguments.out,
            params,
            workers=arguments.workers,
            executor=chosen_executor(arguments),
            retry_failed=arguments.retry_failed,
            max_failed=arguments.max_failed,
            limits=Limits(max_duration_seconds=3600 * arguments.max_hours),
            progress=shown.show,
        )
    _show_summary(summary, time.monotonic() - started, console)
    return 1 if summary.too_many_failed else 0


def _show_catalogue(catalogue: "Catalogue", console: Console) -> None:
    """Say what was found, and name what does not fit the lists."""
    labels = f", {len(catalogue.label_names)} classes" if catalogue.label_names else ""
    console.print(f"{catalogue.dataset}: {len(catalogue.sources)} sources{labels}")
    for names, what in ((catalogue.missing, "listed but not there"), (catalogue.extra, "there but not listed")):
        if names:
            shown = ", ".join(names[:MAX_NAMES]) + (" ..." if len(names) > MAX_NAMES else "")
            console.print(escape(f"{len(names)} {what}: {shown}"), style="yellow")


def _show_summary(summary: "Summary", seconds: float, console: Console) -> None:
    """Show counts, and why sources failed."""
    n_ok = summary.n_sources - summary.n_failed
    kept = summary.n_shards - summary.n_shards_built
    state = "nothing left to build" if summary.n_shards_built == 0 else f"{max(kept, 0)} were there before"
    console.print(
        f"{n_ok} of {summary.n_sources} sources -> {summary.n_segments} segments "
        f"({duration_text(summary.media_seconds)}, {summary.n_segments_with_audio} with audio) "
        f"in {summary.n_shards} shards ({state}) after {duration_text(seconds)}"
    )
    if summary.failures:
        table = Table(title=f"failed sources: {summary.n_failed}", title_justify="left", title_style="bold red")
        table.add_column("sources", justify="right")
        table.add_column("reason", overflow="fold")
        table.add_column("for example", overflow="fold")
        for failure in summary.failures:
            table.add_row(str(failure.n_sources), escape(failure.reason[:REASON_WIDTH]), escape(failure.example))
        console.print(table, soft_wrap=False)
        console.print("Their full reasons stand in manifest.parquet; mended, run again with --retry-failed.")
    console.print(escape(f"{summary.folder} fingerprint {summary.fingerprint[:16]}"), style="dim")


def verify(arguments: argparse.Namespace) -> int:
    """Check a shard set and list what is wrong."""
    from preprocess.shards.manifest import read_dataset
    from preprocess.verify.shard_set import verify as find

    console = _console()
    findings = find(arguments.folder, workers=arguments.workers)
    for finding in findings:
        console.print(escape(str(finding)), style="red")
    if findings:
        console.print(f"{len(findings)} findings", style="bold red")
        return 1
    info = read_dataset(arguments.folder)
    console.print(
        f"whole: {len(info.shards)} shards, {info.n_segments} segments of {info.n_sources - info.n_failed} sources",
        style="green",
    )
    return 0


def push(arguments: argparse.Namespace) -> int:
    """Copy a shard set to a URL."""
    from preprocess.remote import push_set

    with Progress("files") as shown:
        push_set(arguments.folder, arguments.url, shown.show)
    _console().print(escape(f"{arguments.url}: the shard set of {arguments.folder}"))
    return 0


def fetch(arguments: argparse.Namespace) -> int:
    """Copy a shard set from a URL."""
    from preprocess.remote import fetch_set

    with Progress("files") as shown:
        info = fetch_set(arguments.url, arguments.folder, shown.show)
    _console().print(escape(f"{arguments.folder}: {len(info.shards)} shards, {info.n_segments} segments"))
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Show a line for everything that must be there."""
    from preprocess.doctor.machine import check

    console = _console()
    is_broken = False
    for found in check(arguments.out or Path.cwd()):
        is_broken = is_broken or found.status == "broken"
        style = _STYLES[found.status]
        remedy = f" -> {found.remedy}" if found.remedy else ""
        console.print(f"[{style}]{found.status:<6}[/] {found.name:<16} {escape(found.found + remedy)}")
    return 1 if is_broken else 0


def sample(arguments: argparse.Namespace) -> int:
    """Render the sample videos."""
    from preprocess.synthetic.sample.world import generate

    with Progress("videos") as shown:
        out = generate(
            arguments.out,
            seed=arguments.seed,
            n_groups=arguments.groups,
            n_clips=arguments.clips,
            classes=arguments.classes,
            workers=arguments.workers,
            progress=shown.show,
        )
    _console().print(escape(f"{out}: the sample videos, in the layout of UCF101"))
    return 0


def collage(arguments: argparse.Namespace) -> int:
    """Render an archive of generated videos."""
    from preprocess.synthetic.collage.archive import generate

    with Progress("videos") as shown:
        out = generate(
            arguments.out,
            seed=arguments.seed,
            n_videos=arguments.videos,
            seconds=arguments.seconds,
            workers=arguments.workers,
            progress=shown.show,
        )
    hours = duration_text(arguments.videos * arguments.seconds)
    _console().print(escape(f"{out}: {arguments.videos} generated videos, {hours} of video and audio"))
    return 0
