"""`python -m evaluate fingerprint`: the fingerprint benchmark on a folder of videos."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluate.commands.common import Commands, add_parser, console, say, words
from preprocess.progress import Progress

if TYPE_CHECKING:
    from evaluate.fingerprint.benchmark.protocol import Plan

EPILOG = """\
examples:
  python -m evaluate fingerprint --videos data/sample --run runs/sample --length 3 --only medium --queries 5
  python -m evaluate fingerprint --videos /videos --run runs/archive --encoder runs/archive --picture features
  python -m evaluate fingerprint --videos /videos/vggsound --run runs/vggsound --queries 50

RUN/fingerprint holds the plan, the rendered queries, each method's matches, the numbers (results.json), and a heat map
(distortions.svg). Rendered queries are kept, so the same command continues where it was stopped. Methods that an earlier
run measured on the same plan stay in the tables.
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    summary = "find distorted clips among distractors, beside known fingerprints"
    parser = add_parser(commands, "fingerprint", summary, _fingerprint, EPILOG)
    parser.add_argument("--videos", type=Path, required=True, help="folder of videos")
    parser.add_argument("--run", type=Path, required=True, help="folder for the numbers, such as runs/sample")
    parser.add_argument("--queries", type=int, default=20, help="matched queries a task (default: %(default)s)")
    parser.add_argument("--unmatched", type=int, default=10, help="unmatched queries a task (default: %(default)s)")
    parser.add_argument(
        "--background",
        type=int,
        default=10,
        help="groups for calibration of peers, and normalisation (default: %(default)s)",
    )
    parser.add_argument("--distractors", type=int, help="distractor videos at most (default: all)")
    parser.add_argument("--length", type=float, default=5.0, help="of the queries in seconds (default: %(default)s)")
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="distortions such as crop,flip/light,medium (default: all)"
    )
    parser.add_argument(
        "--streams", choices=("both", "video", "audio"), default="both", help="of the queries (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    parser.add_argument("--encoder", type=Path, help="run, checkpoint or export (default: the shipped one)")
    parser.add_argument("--picture", default="within", help="its vectors: within, projections or features")
    parser.add_argument("--sound", default="within", help="its vectors: within, projections or features")
    parser.add_argument(
        "--hop", type=float, default=0.5, metavar="SECONDS", help="of its descriptors (default: %(default)s)"
    )
    methods = "avtempo,avtempo-compressed,chromaprint,vpdq,mpeg-7,raw-pixels,log-mel"
    parser.add_argument("--methods", default=methods, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=2, help="queries rendered at a time (default: %(default)s)")


def _fingerprint(arguments: argparse.Namespace) -> None:
    from evaluate.fingerprint.api import SHIPPED_ENCODER
    from evaluate.fingerprint.benchmark.benchmark_tables import benchmark_tables
    from evaluate.fingerprint.benchmark.distort.catalogue import choose
    from evaluate.fingerprint.benchmark.figure import write_heat_map, write_roc
    from evaluate.fingerprint.benchmark.ours import OURS, Avtempo
    from evaluate.fingerprint.benchmark.peers import make_peers
    from evaluate.fingerprint.benchmark.protocol import Size, prepare
    from evaluate.fingerprint.benchmark.run import benchmark
    from evaluate.fingerprint.describe.encoder import load_encoder
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, merge_results, read_header, read_results, write_results

    out = arguments.run / "fingerprint"
    names = words(arguments.methods)
    peers, missing = make_peers([name for name in names if name not in OURS])
    encoder = load_encoder(arguments.encoder or SHIPPED_ENCODER, picture=arguments.picture, sound=arguments.sound)
    ours = [Avtempo(encoder, arguments.hop, is_compressed=OURS[name]) for name in names if name in OURS]
    size = Size(
        arguments.queries, arguments.unmatched, arguments.background, arguments.length, choose(arguments.only),
        arguments.distractors, streams=arguments.streams,
    )  # fmt: skip
    plan = prepare(arguments.videos, out, size, arguments.seed)
    say(_summary(plan))
    with Progress("benchmark") as shown:
        measured = benchmark(plan, arguments.videos, out, [*ours, *peers], arguments.jobs, shown.stage)
    # Not beside the run's own: its page makes a column of every task and metric, and here are hundreds.
    path, header = out / RESULTS_NAME, origin() | {"plan": _summary(plan)}
    earlier = read_results(path) if read_header(path).get("plan") == header["plan"] else ()
    results = merge_results(earlier, measured)
    write_results(path, results, header)
    write_heat_map(results, out / "distortions.svg")
    write_roc(results, out / "roc.svg")
    for table in benchmark_tables(results):
        console.print(table.shown())
    for name, reason in missing.items():
        say(f"{name}: not measured: {reason}")
    say(f"all numbers: {out / RESULTS_NAME}; figures: {out}/distortions.svg, roc.svg")


def _summary(plan: "Plan") -> str:
    roles = [query.role for query in plan.queries]
    return (
        f"{len(plan.references)} references with {plan.n_distractor_segments} distractor segments, "
        f"{plan.n_query_segments} query sources; {roles.count('matched')} matched and {roles.count('unmatched')} "
        f"unmatched queries, {roles.count('background')} for calibration"
    )
