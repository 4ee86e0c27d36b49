"""`python -m evaluate false-matches`: how often unrelated files of a folder are falsely matched."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from evaluate.commands.common import Commands, add_parser, console, say, whole_numbers, words
from preprocess.progress import Progress

EPILOG = """\
examples:
  python -m evaluate false-matches --videos /videos --run runs/rates
  python -m evaluate false-matches --videos /sounds/ESC-50/audio --run runs/rates-esc --sizes 1,10,100,1000 --streams audio

Files must show different scenes, or be named so that scenes are known: UCF101's groups, YouTube ids, ESC-50's clip ids.
RUN/false-matches holds the rates (results.json), and each false match to look at (matches.json).
"""


def add_command(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Put the command on the command line."""
    summary = "measure how often unrelated files are falsely matched"
    parser = add_parser(commands, "false-matches", summary, _false_matches, EPILOG)
    parser.add_argument("--videos", type=Path, required=True, help="folder of video and audio files")
    parser.add_argument("--run", type=Path, required=True, help="folder for the numbers, such as runs/rates")
    parser.add_argument("--sizes", default="1,2,5,10,100,1000", help="sources of archives (default: %(default)s)")
    parser.add_argument(
        "--queries", type=int, default=200, help="files that are matched at most (default: %(default)s)"
    )
    parser.add_argument("--background", type=int, default=0, help="scenes for normalisation (default: none)")
    parser.add_argument("--streams", default="both", help="of the queries: both, video, audio (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    parser.add_argument("--encoder", type=Path, help="run, checkpoint or export (default: the shipped one)")


def _false_matches(arguments: argparse.Namespace) -> None:
    from typing import get_args

    from evaluate.errors import FingerprintError
    from evaluate.fingerprint.api import SHIPPED_ENCODER
    from evaluate.fingerprint.benchmark.false_matches import TEST, Trial, false_matches_table, measure
    from evaluate.fingerprint.benchmark.query import Streams
    from evaluate.fingerprint.describe.encoder import load_encoder
    from evaluate.results.origin import origin
    from evaluate.results.results import RESULTS_NAME, write_results
    from store.atomic_files import write_text

    streams = tuple(each for each in get_args(Streams) if each in words(arguments.streams))
    if unknown := set(words(arguments.streams)) - set(streams):
        raise FingerprintError(f"no streams called {', '.join(unknown)}: choose from {', '.join(get_args(Streams))}")
    trial = Trial(
        whole_numbers(arguments.sizes, "--sizes"), arguments.queries, arguments.background, streams, seed=arguments.seed
    )
    encoder = load_encoder(arguments.encoder or SHIPPED_ENCODER, picture="within", sound="within")
    with Progress("false matches") as shown:
        results, false = measure(arguments.videos, encoder, trial, shown.stage)
    out = arguments.run / TEST
    out.mkdir(parents=True, exist_ok=True)
    write_results(out / RESULTS_NAME, results, origin())
    write_text(out / "matches.json", json.dumps([asdict(each) for each in false], indent=1) + "\n")
    console.print(false_matches_table(results).shown())
    say(f"all numbers: {out / RESULTS_NAME}; false matches: {out}/matches.json")
