"""The benchmark of matching: `python -m evaluate fingerprint`, `false-matches`, `found-copies`; and `edited-copies`."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from evaluate.commands.common import Commands, add_encoder, add_parser, console, say, whole_numbers, words
from preprocess.progress import Progress

FINGERPRINT_EPILOG = """\
examples:
  python -m evaluate fingerprint --videos data/sample --run runs/sample --length 3 --only medium --queries 5
  python -m evaluate fingerprint --videos /videos --run runs/archive --encoder runs/archive --video-vectors features
  python -m evaluate fingerprint --videos /videos/vggsound --run runs/vggsound --queries 50

RUN/fingerprint holds the plan, the rendered queries, each method's matches, the numbers (results.json), and a heat map
(distortions.svg). Rendered queries are kept, so the same command continues where it was stopped. Methods that an earlier
run measured on the same plan stay in the tables.
"""
FALSE_MATCHES_EPILOG = """\
examples:
  python -m evaluate false-matches --videos /videos --run runs/rates
  python -m evaluate false-matches --videos /sounds/ESC-50/audio --run runs/rates-esc --sizes 1,10,100,1000 --streams audio

Files must show different scenes, or be named so that scenes are known: UCF101's groups, YouTube ids, ESC-50's clip ids.
RUN/false-matches holds the rates (results.json), and each false match to look at (matches.json).
"""
FOUND_COPIES_EPILOG = """\
examples:
  python -m evaluate found-copies --videos /archive --copies /tmp/copies --run runs/copies

COPIES/EDIT/NAME is a copy of the source NAME of the archive, made by any tool; its suffix may differ.
RUN/found-copies holds the numbers (results.json) and all answers (matches.json); RUN/index, the index.
"""
EDITED_COPIES_EPILOG = """\
examples:
  python -m evaluate edited-copies --videos /archive --out /archive/copies
  python -m evaluate edited-copies --videos /archive --out /tmp/copies --copies 20 --seed 7

Copies are named by what was done: mirrored, upright, with text and logo, faster, cut, inside another video, ...
"""


def add_command(commands: Commands) -> None:
    """Put the four commands on the command line."""
    _add_fingerprint(commands)
    _add_false_matches(commands)
    _add_found_copies(commands)
    _add_edited_copies(commands)


def _add_fingerprint(commands: Commands) -> None:
    summary = "find distorted clips among distractors, beside known fingerprints"
    parser = add_parser(commands, "fingerprint", summary, _fingerprint, FINGERPRINT_EPILOG)
    add = parser.add_argument
    add("--videos", type=Path, required=True, help="folder of videos")
    add("--run", type=Path, required=True, help="folder for the numbers, such as runs/sample")
    add("--queries", type=int, default=20, help="matched queries a task (default: %(default)s)")
    add("--unmatched", type=int, default=10, help="unmatched queries a task (default: %(default)s)")
    groups = "groups for calibration of peers, and normalisation (default: %(default)s)"
    add("--background", type=int, default=10, help=groups)
    add("--distractors", type=int, help="distractor videos at most (default: all)")
    add("--length", type=float, default=5.0, help="of the queries in seconds (default: %(default)s)")
    add("--only", default="", metavar="WORDS", help="distortions such as crop,flip/light,medium (default: all)")
    streams = ("both", "video", "audio")
    add("--streams", choices=streams, default="both", help="of the queries (default: %(default)s)")
    add("--video-vectors", default="within", help="its vectors: within, projections or features")
    add("--audio-vectors", default="within", help="its vectors: within, projections or features")
    add("--hop", type=float, default=0.5, metavar="SECONDS", help="of its descriptors (default: %(default)s)")
    methods = "avtempo,avtempo-compressed,chromaprint,vpdq,mpeg-7,raw-pixels,log-mel"
    add("--methods", default=methods, help="default: %(default)s")
    add("--jobs", type=int, default=2, help="queries rendered at a time (default: %(default)s)")
    add_encoder(parser)
    _add_seed(parser)


def _add_false_matches(commands: Commands) -> None:
    summary = "measure how often unrelated files are falsely matched"
    parser = add_parser(commands, "false-matches", summary, _false_matches, FALSE_MATCHES_EPILOG)
    add = parser.add_argument
    add("--videos", type=Path, required=True, help="folder of video and audio files")
    add("--run", type=Path, required=True, help="folder for the numbers, such as runs/rates")
    add("--sizes", default="1,2,5,10,100,1000", help="sources of archives (default: %(default)s)")
    add("--queries", type=int, default=200, help="files that are matched at most (default: %(default)s)")
    add("--background", type=int, default=0, help="scenes for normalisation (default: none)")
    add("--streams", default="both", help="of the queries: both, video, audio (default: %(default)s)")
    fade = "all files rise out of black for so long (default: as they are)"
    add("--fade", type=float, default=0.0, metavar="SECONDS", help=fade)
    add_encoder(parser)
    _add_seed(parser)


def _add_found_copies(commands: Commands) -> None:
    summary = "measure how many copies, edited by any tool, are found in the archive that they came from"
    parser = add_parser(commands, "found-copies", summary, _found_copies, FOUND_COPIES_EPILOG)
    add = parser.add_argument
    add("--videos", type=Path, required=True, help="folder of the archive")
    add("--copies", type=Path, required=True, help="folder of EDIT/NAME")
    add("--run", type=Path, required=True, help="folder for the index and the numbers, such as runs/copies")
    add_encoder(parser)


def _add_edited_copies(commands: Commands) -> None:
    summary = "make edited copies of some videos, to try the tools of an archive"
    parser = add_parser(commands, "edited-copies", summary, _edited_copies, EDITED_COPIES_EPILOG)
    add = parser.add_argument
    add("--videos", type=Path, required=True, help="folder of videos with audio")
    add("--out", type=Path, required=True, help="folder of the copies")
    add("--copies", type=int, default=12, help="how many (default: %(default)s)")
    _add_seed(parser)


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")


def _fingerprint(arguments: argparse.Namespace) -> None:
    from evaluate.fingerprint.api import SHIPPED_ENCODER
    from evaluate.fingerprint.benchmark.distort.catalogue import choose
    from evaluate.fingerprint.benchmark.ours import OURS, Avtempo
    from evaluate.fingerprint.benchmark.peers import make_peers
    from evaluate.fingerprint.benchmark.protocol import Size, prepare
    from evaluate.fingerprint.benchmark.run import benchmark
    from evaluate.fingerprint.benchmark.tables_and_figures import benchmark_tables, write_heat_map, write_roc
    from evaluate.fingerprint.describe.encoder import load_encoder
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, merge_results, read_header, read_results, write_results

    out = arguments.run / "fingerprint"
    names = words(arguments.methods)
    peers, missing = make_peers([name for name in names if name not in OURS])
    encoder = load_encoder(
        arguments.encoder or SHIPPED_ENCODER,
        video_vectors=arguments.video_vectors,
        audio_vectors=arguments.audio_vectors,
    )
    ours = [Avtempo(encoder, arguments.hop, is_compressed=OURS[name]) for name in names if name in OURS]
    size = Size(
        arguments.queries, arguments.unmatched, arguments.background, arguments.length, choose(arguments.only),
        arguments.distractors, streams=arguments.streams,
    )  # fmt: skip
    plan = prepare(arguments.videos, out, size, arguments.seed)
    roles = [query.role for query in plan.queries]
    summary = (
        f"{len(plan.references)} references with {plan.n_distractor_segments} distractor segments, "
        f"{plan.n_query_segments} query sources; {roles.count('matched')} matched and {roles.count('unmatched')} "
        f"unmatched queries, {roles.count('background')} for calibration"
    )
    say(summary)
    with Progress("benchmark") as shown:
        measured = benchmark(plan, arguments.videos, out, [*ours, *peers], arguments.jobs, shown.stage)
    # Not beside the run's own: its page makes a column of every task and metric, and here are hundreds.
    path, header = out / RESULTS_NAME, origin() | {"plan": summary}
    earlier = read_results(path) if read_header(path).get("plan") == summary else ()
    results = merge_results(earlier, measured)
    write_results(path, results, header)
    write_heat_map(results, out / "distortions.svg")
    write_roc(results, out / "roc.svg")
    for table in benchmark_tables(results):
        console.print(table.shown())
    for name, reason in missing.items():
        say(f"{name}: not measured: {reason}")
    say(f"all numbers: {out / RESULTS_NAME}; figures: {out}/distortions.svg, roc.svg")


def _false_matches(arguments: argparse.Namespace) -> None:
    from evaluate.archive.span_files import write_json
    from evaluate.errors import FingerprintError
    from evaluate.fingerprint.api import SHIPPED_ENCODER
    from evaluate.fingerprint.benchmark.distort.catalogue import Streams
    from evaluate.fingerprint.benchmark.false_matches import TEST, Trial, false_matches_table, measure
    from evaluate.fingerprint.describe.encoder import load_encoder
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, write_results

    streams = tuple(each for each in get_args(Streams) if each in words(arguments.streams))
    if unknown := set(words(arguments.streams)) - set(streams):
        raise FingerprintError(f"no streams called {', '.join(unknown)}: choose from {', '.join(get_args(Streams))}")
    trial = Trial(
        whole_numbers(arguments.sizes, "--sizes"), arguments.queries, arguments.background, streams, seed=arguments.seed,
        fade_seconds=arguments.fade,
    )  # fmt: skip
    encoder = load_encoder(arguments.encoder or SHIPPED_ENCODER, video_vectors="within", audio_vectors="within")
    with Progress("false matches") as shown:
        results, false = measure(arguments.videos, encoder, trial, shown.stage)
    out = arguments.run / TEST
    write_results(out / RESULTS_NAME, results, origin())
    write_json(out / "matches.json", [asdict(each) for each in false])
    console.print(false_matches_table(results).shown())
    say(f"all numbers: {out / RESULTS_NAME}; false matches: {out}/matches.json")


def _found_copies(arguments: argparse.Namespace) -> None:
    from evaluate.archive.found_copies import TEST, find_copies, found_copies_table
    from evaluate.archive.span_files import write_json
    from evaluate.fingerprint.answer.answers import records
    from evaluate.fingerprint.api import Index
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, write_results

    index = Index.open(arguments.run / "index", encoder=arguments.encoder)
    with Progress("index") as shown:
        index.add(arguments.videos, progress=shown.show)
    with Progress("copies") as shown:
        results, answers = find_copies(index, arguments.copies, shown.show)
    out = arguments.run / TEST
    write_results(out / RESULTS_NAME, results, origin())
    write_json(out / "matches.json", records(answers))
    console.print(found_copies_table(results).shown())
    say(f"all numbers: {out / RESULTS_NAME}; answers: {out}/matches.json")


def _edited_copies(arguments: argparse.Namespace) -> None:
    from evaluate.fingerprint.benchmark.edited_copies import write_edited_copies

    with Progress("copies") as shown:
        wanted = arguments.videos, arguments.out, arguments.copies, arguments.seed
        paths = write_edited_copies(*wanted, progress=shown.show)
    say(f"{arguments.out}: {len(paths)} edited copies")
