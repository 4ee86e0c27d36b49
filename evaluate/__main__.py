"""Command line of the evaluation stage: `python -m evaluate COMMAND`; the commands are in evaluate/commands."""

import argparse
import logging
import sys
from functools import partial

from evaluate.commands import (
    ablate,
    embed,
    esc50,
    esc50_scratch,
    export,
    finetune,
    fingerprint,
    index,
    match,
    publish,
    recognition,
    report,
)  # fmt: skip
from evaluate.exit_status import exit_status

COMMANDS = (
    embed,
    recognition,
    finetune,
    esc50,
    esc50_scratch,
    fingerprint,
    report,
    index,
    match,
    ablate,
    export,
    publish,
)
"""In the order of the help."""

EPILOG = """\
examples:
  python -m evaluate ucf101 --run runs/sample --shards shards/sample
      embed what is missing, then retrieval, kNN, linear probe and cross-modal retrieval on the
      official splits; numbers go to runs/sample/results.json
  python -m evaluate ucf101 --run runs/sample --shards shards/sample --models pretrained,raw --no-probe
  python -m evaluate hmdb51 --run runs/k400 --shards shards/hmdb51
      the same on HMDB51, with encoders trained elsewhere
  python -m evaluate embed --run runs/sample --shards shards/archive --dataset archive --models pretrained
      embed any shard set: runs/sample/embeddings/archive.h5
  python -m evaluate embed --run /shared/runs/archive --shards /shared/shards --executor ray
      on all machines of a Ray cluster, which must see both folders under the same names (docs/explanation/scale.md)
  python -m evaluate finetune --run runs/sample --shards shards/sample
      train the whole video encoder with labels on each split, beside training from scratch
  python -m evaluate esc50 --run runs/esc50 --shards shards/esc50 --strict runs/esc50/strict-1
      five folds of ESC-50; the strict run was pretrained on folds 2 to 5 only and is tested on fold 1
  python -m evaluate esc50-scratch --run runs/esc50 --shards shards/esc50
      the same network trained with labels; resumes
  python -m evaluate report --run runs/sample --shards shards/sample
      runs/sample/report/index.html; --data adds audio, --compare other runs' numbers
  python -m evaluate fingerprint --videos /videos/archive --run runs/archive --queries 50
      distorted clips among distractors, beside chromaprint, vPDQ and two floors
  python -m evaluate ablate --shards shards/sample --runs runs/ablation --objectives whole,avid
      train, measure and compare objectives: runs/ablation/results.json
  python -m evaluate index /archive --index index/archive --encoder runs/archive
  python -m evaluate match clip.mp4 --index index/archive --out matches.json
      which video of the archive, and which seconds of it, a distorted clip came from
  python -m evaluate export runs/sample exports/sample
      encoders as safetensors and ONNX, with a model card
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 fine, 2 an error that was explained, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("faiss").setLevel(logging.WARNING)  # else it says which processor it found
    return exit_status(partial(arguments.command, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evaluate",
        description="Embed videos with trained encoders, test the embeddings, and show the results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for each in COMMANDS:
        each.add_command(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
