"""`python -m evaluate duplicates`: copies and partial copies inside an indexed archive, and which of them to keep."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, add_workers, say, words
from preprocess.progress import Progress

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


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
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
    add(
        "--mirrored",
        action="store_true",
        help="also seek mirrored copies; decodes each source once more, the first time",
    )
    add("--shortest", type=float, default=0.0, metavar="SECONDS", help="leave shorter sources out")
    add("--longest", type=float, default=float("inf"), metavar="SECONDS", help="leave longer sources out")
    add("--shared", type=float, default=0.0, metavar="SECONDS", help="least that a pair shares")
    add("--agree", default="any", help="what must agree: any, video, audio or both (default: %(default)s)")
    add("--keep", type=Path, action="append", default=[], metavar="FILE", help="proposals: .csv, .json or .sh")
    add("--order", default="duration,resolution,bit_rate", help="what makes a file better (default: %(default)s)")
    add("--moves-to", type=Path, default=Path("copies"), help="folder for copies in keep.sh (default: %(default)s)")
    add("--hard-links", action="store_true", help="keep.sh leaves a link to the kept file where a copy was")
    add("--fps", type=float, default=25.0, help="of .edl, and of .otio without video (default: %(default)s)")
    add(
        "--false-positive-rate",
        type=float,
        default=0.001,
        help="share of sources with a false match (default: %(default)s)",
    )
    add_workers(parser)


def _duplicates(arguments: argparse.Namespace) -> None:
    from evaluate.archive.duplicates import find_duplicates
    from evaluate.archive.keep import propose_kept
    from evaluate.archive.keep_files import write_decisions
    from evaluate.archive.scope import Scope
    from evaluate.archive.span_files import check_suffix, write_duplicates, write_duplicates_page
    from evaluate.fingerprint.api import Index

    if arguments.out:
        check_suffix(arguments.out, arguments.fps)
    scope = Scope(
        tuple(arguments.references), tuple(arguments.candidates), arguments.across_folders, arguments.shortest,
        arguments.longest, arguments.shared, arguments.agree, arguments.mirrored,
    )  # fmt: skip
    with Progress("sources") as shown:
        found = find_duplicates(
            Index.open(arguments.index), scope=scope, since_last=arguments.since == "last",
            workers=arguments.workers, false_positive_rate=arguments.false_positive_rate, progress=shown.show,
        )  # fmt: skip
    if arguments.out:
        write_duplicates(arguments.out, found, arguments.fps)
        say(f"{arguments.out}: written")
    if arguments.page:
        write_duplicates_page(arguments.page, found)
        say(f"{arguments.page}: written")
    decisions = propose_kept(found, words(arguments.order)) if arguments.keep else ()
    for path in arguments.keep:
        write_decisions(path, decisions, arguments.moves_to, links=arguments.hard_links)
        say(f"{path}: written; {sum(not each.keeps for each in decisions)} of {len(decisions)} sources are copies")
    for pair in found.pairs:
        shares = f"{pair.shared_seconds:.1f} s, {100 * pair.one_share:.0f} % and {100 * pair.other_share:.0f} %"
        told = f"video {pair.video}, audio {pair.audio}{', mirrored' if pair.is_mirrored else ''}"
        say(f"{pair.one} | {pair.other} | {shares} | {told} | score {pair.score:.1f}")
    for segment in found.segments:
        name, start, end = segment.places[0]
        say(f"{segment.n_sources} sources share {segment.seconds:.1f} s, such as {start:.1f}-{end:.1f} s of {name}")
    n_aside = len(found.set_aside) + len(found.ignored)
    say(
        f"{found.n_compared} sources compared; {len(found.pairs)} pairs in {len(found.groups)} groups, "
        f"{len(found.segments)} segments in more than eight sources, {n_aside} set aside by verdicts"
    )
