"""Copies inside an archive: `python -m evaluate duplicates`, and `verdicts`, decisions of a person that it applies."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_parser, add_workers, say, words
from evaluate.results.sheet import counted
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.archive.pairs import Duplicates

EPILOG = """\
examples:
  python -m evaluate duplicates --index index/archive --out duplicates.json --page duplicates.html
  python -m evaluate duplicates --index index/archive --since last --out duplicates.csv
      compares what is new since the last run, or what a killed run had left, with all; lists everything
  python -m evaluate duplicates --index index/archive --references masters --candidates 'web/*' --agree both
  python -m evaluate duplicates --index index/archive --keep keep.csv --keep keep.sh --moves-to /copies
      sh keep.sh shows which copies it would move to /copies, sh keep.sh --run moves them

Nothing is moved or deleted by this command. Segments that more than eight sources share, such as an intro, are a list of
their own. Verdicts (`python -m evaluate verdicts --help`) are applied.
"""
VERDICTS_EPILOG = """\
examples:
  python -m evaluate verdicts add different a.mp4 b.mp4 --index index/archive --note 'two takes'
  python -m evaluate verdicts add same a.mp4 b.mp4 --index index/archive
  python -m evaluate verdicts add keep a.mp4 --index index/archive
  python -m evaluate verdicts add ignore a.mp4 --seconds 0 12.5 --index index/archive
      these seconds everywhere, in all sources that share them
  python -m evaluate verdicts add keep a.mp4 --withdraw --index index/archive
  python -m evaluate verdicts export verdicts.jsonl --index index/archive
  python -m evaluate verdicts import verdicts.jsonl --index index/archive

Verdicts are on contents of files: they hold after a rename, a move, or indexing anew. The latest on a subject counts.
"""


def add_command(commands: Commands) -> None:
    """Put both commands on the command line."""
    _add_verdicts(commands)
    summary = "find copies and partial copies inside an indexed archive"
    parser = add_parser(commands, "duplicates", summary, _duplicates, EPILOG)
    add = parser.add_argument
    add("--index", type=Path, required=True, help="folder of the index")
    add("--out", type=Path, help="file for pairs and segments: .json, .csv, .edl or .otio")
    add("--page", type=Path, help="HTML page that shows the spans of each pair side by side")
    add("--since", choices=["last"], help="compare only sources that are new since the last run of this scope")
    add("--references", action="append", default=[], metavar="NAMES", help="folder, name, or pattern such as 'news/*'")
    add("--candidates", action="append", default=[], metavar="NAMES", help="what is compared with the references")
    add("--across-folders", action="store_true", help="never compare sources of one folder")
    mirrored = "also seek mirrored copies; decodes each source once more, the first time"
    add("--mirrored", action="store_true", help=mirrored)
    add("--shortest", type=float, default=0.0, metavar="SECONDS", help="leave shorter sources out")
    add("--longest", type=float, default=float("inf"), metavar="SECONDS", help="leave longer sources out")
    add("--shared", type=float, default=0.0, metavar="SECONDS", help="least that a pair shares")
    add("--agree", default="any", help="what must agree: any, video, audio or both (default: %(default)s)")
    add("--keep", type=Path, action="append", default=[], metavar="FILE", help="proposals: .csv, .json or .sh")
    add("--order", default="duration,resolution,bit_rate", help="what makes a file better (default: %(default)s)")
    add("--moves-to", type=Path, default=Path("copies"), help="folder for copies in keep.sh (default: %(default)s)")
    add("--hard-links", action="store_true", help="keep.sh leaves a link to the kept file where a copy was")
    add("--fps", type=float, default=25.0, help="of .edl, and of .otio without video (default: %(default)s)")
    rate = "share of sources with a false match (default: %(default)s)"
    add("--false-positive-rate", type=float, default=0.001, help=rate)
    add_workers(parser)


def _duplicates(arguments: argparse.Namespace) -> None:
    from evaluate.archive.duplicates import find_duplicates
    from evaluate.archive.keep import check_order, propose_kept
    from evaluate.archive.keep_files import check_keep_suffix, write_decisions
    from evaluate.archive.scope import Scope
    from evaluate.archive.span_files import check_suffix, write_duplicates, write_duplicates_page
    from evaluate.fingerprint.api import Index

    if arguments.out:
        check_suffix(arguments.out, arguments.fps)
    order = words(arguments.order)
    check_order(order)
    for path in arguments.keep:
        check_keep_suffix(path)
    scope = Scope(
        tuple(arguments.references), tuple(arguments.candidates), arguments.across_folders, arguments.shortest,
        arguments.longest, arguments.shared, arguments.agree, arguments.mirrored,
    )  # fmt: skip
    with Progress("sources") as shown:

        def show(done: float, total: float, note: str) -> None:
            if note:  # it counts bytes
                shown.stage("decoded MB", done / 1e6, total / 1e6)
            else:
                shown.stage("sources", done, total)

        found = find_duplicates(
            Index.open(arguments.index), scope=scope, since_last=arguments.since == "last",
            workers=arguments.workers, false_positive_rate=arguments.false_positive_rate, progress=show,
        )  # fmt: skip
    if arguments.out:
        write_duplicates(arguments.out, found, arguments.fps)
        say(f"{arguments.out}: written")
    if arguments.page:
        write_duplicates_page(arguments.page, found)
        say(f"{arguments.page}: written")
    decisions = propose_kept(found, order) if arguments.keep else ()
    for path in arguments.keep:
        write_decisions(path, decisions, arguments.moves_to, links=arguments.hard_links)
        say(f"{path}: written; {sum(not each.keeps for each in decisions)} of {len(decisions)} sources are copies")
    _say_found(found)


def _say_found(found: "Duplicates") -> None:
    for pair in found.pairs:
        shares = f"{pair.shared_seconds:.1f} s, {100 * pair.one_share:.0f} % and {100 * pair.other_share:.0f} %"
        told = f"video {pair.video}, audio {pair.audio}{', mirrored' if pair.is_mirrored else ''}"
        say(f"{pair.one} | {pair.other} | {shares} | {told} | score {pair.score:.1f}")
    for segment in found.segments:
        name, start, end = segment.places[0]
        say(f"{segment.n_sources} sources share {segment.seconds:.1f} s, such as {start:.1f}-{end:.1f} s of {name}")
    n_aside = len(found.set_aside) + len(found.ignored)
    say(
        f"{counted(found.n_compared, 'source')} compared; {counted(len(found.pairs), 'pair')} in "
        f"{counted(len(found.groups), 'group')}, {counted(len(found.segments), 'segment')} in more than eight sources, "
        f"{n_aside} set aside by verdicts"
    )


def _add_verdicts(commands: Commands) -> None:
    summary = "record, export or import decisions on copies: same, different, keep, ignore"
    parser = add_parser(commands, "verdicts", summary, _verdicts, VERDICTS_EPILOG)
    add = parser.add_argument
    add("action", choices=["add", "export", "import"])
    add("words", nargs="+", metavar="WORD", help="add: same|different|keep|ignore NAME ...; else a file")
    add("--index", type=Path, required=True, help="folder of the index")
    add("--seconds", type=float, nargs=2, metavar=("START", "END"), help="of a segment to ignore")
    add("--note", default="", help="any text")
    add("--withdraw", action="store_true", help="take an earlier verdict back")


def _verdicts(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from evaluate.archive.verdicts import N_PLACES, Verdicts
    from evaluate.errors import EvaluateError
    from evaluate.fingerprint.index.archive import Archive

    archive, verdicts, given = Archive.open(arguments.index), Verdicts(arguments.index), arguments.words
    if arguments.action == "add":
        if given[0] not in N_PLACES:
            raise EvaluateError(f"give a verdict, one of {', '.join(N_PLACES)}, and names as `duplicates` prints them")
        places = list(verdicts.places_of(archive.sources(), given[1:]).values())
        if arguments.seconds:
            start, end = arguments.seconds
            places = [replace(place, start_seconds=start, end_seconds=end) for place in places]
        verdict = verdicts.add(given[0], places, note=arguments.note, withdraw=arguments.withdraw)
        say(f"{verdict.kind}{' withdrawn' if verdict.is_withdrawn else ''}: {', '.join(given[1:])}")
    elif len(given) != 1:
        raise EvaluateError(f"give one file to {arguments.action}")
    elif arguments.action == "export":
        say(f"{given[0]}: {verdicts.export(Path(given[0]))} verdicts")
    else:
        say(f"{given[0]}: {verdicts.take_in(Path(given[0]))} new verdicts")
