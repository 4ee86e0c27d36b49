"""`python -m evaluate index`: the descriptors of an archive, kept up to date."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_encoder, add_parser, add_workers, say
from evaluate.results.sheet import counted
from preprocess.executors.options import add_executor_options, add_max_hours, chosen_executor
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.fingerprint.index.update import Growth

EPILOG = """\
examples:
  python -m evaluate index /archive --index index/archive
      run again, it adds new files, indexes changed ones anew, and leaves the rest alone
  python -m evaluate index /archive --index index/own --encoder runs/archive
  python -m evaluate index --index index/archive --remove 'news/2019-*'
  python -m evaluate index /archive --index index/archive --remove-gone
      takes out what has left the folder, such as the former names of renamed files
  python -m evaluate index /shared/archive --index /shared/index --encoder /shared/run --executor ray
      on all machines of a Ray cluster, which must see all three under the same names

Ctrl-C or a kill loses at most 16 files of work, on a cluster 16 a task; the same command continues. Exit status 2 if a
file or a folder could not be read, now or earlier; all others are indexed. Unreadable files are tried again with
--retry-failed.
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "make or update an index of videos, in which `match` finds distorted clips"
    parser = add_parser(commands, "index", summary, _index, EPILOG)
    add = parser.add_argument
    add("videos", type=Path, nargs="?", help="folder of videos and audio files")
    add("--index", type=Path, required=True, help="folder of the index")
    add_encoder(parser)
    add("--video-vectors", help="within, projections or features (default: those of the index, in a new one within)")
    add("--audio-vectors", help="the same for audio")
    hop = "rounded to whole frames (default: that of the index, in a new one 0.5)"
    add("--hop", type=float, metavar="SECONDS", help=hop)
    add("--background", type=Path, help="folder of videos that are NOT in the archive, for normalisation")
    removed = "remove sources by name, or such as 'news/*'"
    add("--remove", action="append", default=[], metavar="PATTERN", help=removed)
    add("--remove-gone", action="store_true", help="remove the sources whose files have left the folder")
    stills = "describe single frames too, in which `match` finds images; as long again"
    add("--stills", action="store_true", help=stills)
    add("--retry-failed", action="store_true", help="try unreadable files again")
    add_workers(parser)
    add_max_hours(parser)
    add("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")
    add_executor_options(parser)


def _index(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from evaluate.errors import FingerprintError
    from evaluate.fingerprint.api import Index

    if arguments.videos is None and (arguments.remove_gone or not arguments.remove):
        raise FingerprintError("give the folder of videos; only --remove PATTERN works without one")
    index = Index.open(arguments.index, encoder=arguments.encoder, device=arguments.device)
    with Progress("indexed MB") as shown:
        growth = index.add(
            arguments.videos, video_vectors=arguments.video_vectors, audio_vectors=arguments.audio_vectors,
            hop_seconds=arguments.hop, background=arguments.background, remove=arguments.remove,
            retry_failed=arguments.retry_failed, stills=arguments.stills, workers=arguments.workers,
            max_hours=arguments.max_hours,
            progress=lambda done, total, note: shown.show(done / 1e6, total / 1e6, note),
            executor=chosen_executor(arguments, gpus_a_task=0.0 if arguments.device == "cpu" else 1.0),
        )  # fmt: skip
    if arguments.remove_gone and growth.gone:
        left = index.add(None, remove=growth.gone)
        unread = [source for source in growth.unreadable if source.name not in left.removed]
        growth = replace(
            left, added=growth.added, changed=growth.changed, removed=growth.removed + left.removed,
            unreadable=tuple(unread), unreadable_folders=growth.unreadable_folders,
        )  # fmt: skip
    _say_growth(arguments.index, growth)
    problems = []
    if growth.unreadable_folders:
        problems.append(f"folders that could not be read: {', '.join(growth.unreadable_folders)}")
    if growth.unreadable and arguments.videos:
        remedy = "mend them, or give a longer --max-hours, and --retry-failed"
        n = len(growth.unreadable)
        problems.append(f"{n} file{'s' * (n != 1)} could not be read: {remedy}")
    if problems:
        raise FingerprintError(f"{arguments.videos}: {'; '.join(problems)}; all others are indexed")


def _say_growth(index: Path, growth: "Growth") -> None:
    from preprocess.catalogues.scan import first_names

    say(
        f"{index}: {counted(growth.n_sources, 'source')}, {counted(growth.n_descriptors, 'descriptor')}, "
        f"{growth.media_seconds / 3600:.2f} h; {len(growth.added)} added, {len(growth.changed)} changed, "
        f"{len(growth.removed)} removed"
    )
    for name in growth.removed:
        say(f"removed: {name}")
    for source in growth.unreadable:
        say(f"cannot be read: {source.name}: {source.reason}")
    if growth.gone:
        left = f"{len(growth.gone)} sources have left the folder and stay in the index"
        say(f"{left} ({first_names(growth.gone)}); --remove-gone removes them")
