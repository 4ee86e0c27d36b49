"""`python -m benchmarks.more_videos`: a list by which classes of UCF101 train together with other videos, without labels.

The list is for `preprocess shards --dataset folder --csv`. Videos of the classes keep label, recording and side of split 1,
so that the tests are those of UCF101. All videos that UCF101 does not have are added to the training side.
"""

import argparse
import csv
import io
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.question import BenchmarkError, logger
from evaluate.exit_status import exit_status
from preprocess.catalogues.open_catalogue import open_catalogue
from store.atomic_files import write_text


def write_list(videos: Path, splits: Path | None, classes: Sequence[str], out: Path) -> None:
    """Write the list; BenchmarkError if a class has no video."""
    catalogue = open_catalogue("ucf101", videos, splits)
    tested = [source for source in catalogue.sources if source.label_name in classes and "1" in source.splits]
    others = [source for source in catalogue.sources if source.label < 0]
    if missing := set(classes) - {source.label_name for source in tested}:
        raise BenchmarkError(f"{videos} has no videos of {', '.join(sorted(missing))}")
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "label", "group", "split"))
    rows.writerows((each.name, each.label_name, each.group, each.splits["1"]) for each in tested)
    rows.writerows((each.name, "", "", "train") for each in others)
    write_text(out, text.getvalue())
    logger.info("%s: %d videos with labels, %d without", out, len(tested), len(others))


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.more_videos", description=__doc__)
    parser.add_argument("--videos", type=Path, required=True, help="folder of UCF101's videos and others")
    parser.add_argument("--splits", type=Path, help="folder of the official lists, if not beside the videos")
    parser.add_argument("--classes", nargs="+", required=True, metavar="NAME", help="classes of UCF101 that are tested")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the list")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status(partial(write_list, arguments.videos, arguments.splits, arguments.classes, arguments.out))


if __name__ == "__main__":
    sys.exit(main())
