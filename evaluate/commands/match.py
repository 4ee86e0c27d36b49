"""`python -m evaluate match`: which video, and which seconds of it, clips came from."""

import argparse
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, add_workers, console, say
from preprocess.executors.options import add_max_hours
from preprocess.progress import Progress

EPILOG = """\
examples:
  python -m evaluate match clip.mp4 --index index/archive --out matches.json
  python -m evaluate match clips/ --index index/archive --out matches.json --page matches.html
  python -m evaluate match clip.mp4 --index index/archive --top 10 --out matches.csv
  python -m evaluate match clip.mp4 --index index/archive --out matches.edl --fps 24
      an edit list (CMX 3600) that makes the clip of what it came from; .otio is a timeline (OpenTimelineIO) of both
  python -m evaluate match still.jpg --index index/archive --top 5
      the frames most like an image, if the index was made with --stills

Exit status 2 if a query or a folder of them could not be read; all others are matched.
"""


def add_command(commands: Commands) -> None:
    """Put the command on the command line."""
    summary = "find which indexed video, and which seconds of it, clips came from"
    parser = add_parser(commands, "match", summary, _match, EPILOG)
    add = parser.add_argument
    add("queries", type=Path, help="a video or audio file, an image, or a folder of them")
    add("--index", type=Path, required=True, help="folder of the index")
    add("--out", type=Path, help="file for the matches: .json, .csv, .edl or .otio")
    add("--top", type=int, metavar="K", help="the best K spans of each query, however weak")
    add("--fps", type=float, default=25.0, help="of .edl, and of .otio without video (default: %(default)s)")
    add("--page", type=Path, help="HTML page that shows query and reference side by side")
    rate = "share of unmatched queries that may be matched (default: %(default)s)"
    add("--false-positive-rate", type=float, default=0.001, help=rate)
    add("--encoder", type=Path, help="place of the index's encoder, if it has moved")
    add_workers(parser)
    add_max_hours(parser)
    add("--device", default="cpu", help="cpu, cuda, ... (default: %(default)s)")


def _match(arguments: argparse.Namespace) -> None:
    from evaluate.archive.span_files import check_suffix, write_matches
    from evaluate.errors import QueryError
    from evaluate.fingerprint.answer.answers import answers_table
    from evaluate.fingerprint.api import Index, query_files
    from evaluate.fingerprint.page import write_page
    from preprocess.catalogues.scan import first_names
    from preprocess.media.media_info import Limits

    if arguments.out:
        check_suffix(arguments.out, arguments.fps)
    index = Index.open(arguments.index, encoder=arguments.encoder, device=arguments.device)
    rate, sources = arguments.false_positive_rate, index.archive.sources()
    files, unreadable_folders = query_files(arguments.queries)
    matcher = index.matcher(rate)
    say(f"{len(matcher.library)} sources ({matcher.library.method}); threshold {matcher.threshold:.3f}")
    limits, workers, answers = Limits(max_duration_seconds=3600 * arguments.max_hours), arguments.workers, []
    found = index.match_files(files, false_positive_rate=rate, workers=workers, limits=limits, top=arguments.top)
    with Progress("queries") as shown:
        for answer in found:
            answers.append(answer)
            shown.show(len(answers), len(files))
    answers.sort(key=lambda each: each.query)
    paths = {file.name: file.path for file in files}
    try:
        if arguments.page:
            references = {name: (Path(each.path), each.seconds) for name, each in sources.items()}
            write_page(arguments.page, answers, paths, references, matcher.threshold)
            say(f"{arguments.page}: written")
        if arguments.out:
            write_matches(arguments.out, answers, arguments.fps, paths, sources)
            say(f"{arguments.out}: written")
    finally:  # hours of matching are told, also where a file cannot be written
        console.print(answers_table(answers, matcher.threshold))
    if moved := sorted({name for each in answers if not each.decided for name in index.moved(each)}):
        remedy = "such files get no closer look: index the archive again"
        say(f"moved or changed since indexing: {first_names(moved)}; {remedy}")
    unread = [f"\n  {each.query}: {each.unreadable}" for each in answers if each.unreadable]
    unread += [f"\n  {folder}" for folder in unreadable_folders]
    if unread:
        raise QueryError(f"{len(unread)} queries or folders could not be read, {len(answers)} done:{''.join(unread)}")
