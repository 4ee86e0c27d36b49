"""How many copies that any other tool edited are found in the archive that they came from."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from evaluate.errors import FingerprintError
from evaluate.fingerprint.api import Index
from evaluate.fingerprint.describe.extract import MediaFile
from evaluate.fingerprint.describe.view import WHOLE
from evaluate.fingerprint.match.matches import NOTED_SPEED, Answer, Match
from evaluate.results.results import Result
from evaluate.results.sheet import Sheet
from preprocess.catalogues.scan import scan

TEST = "found-copies"
ALL = "all"
METRICS = ("decided", "named first", "wrongly decided")
EDITS: Mapping[str, Callable[[Match], bool]] = {
    "boxed": lambda match: match.view.region != WHOLE,
    "mirrored": lambda match: match.view.is_mirrored,
    "turned": lambda match: match.view.turned_degrees != 0,
    "other speed": lambda match: abs(match.speed - 1) >= NOTED_SPEED,
}
"""What a match may say that was done to a copy; boxed: it fills a part of the frame."""


def find_copies(
    index: Index, copies: Path, progress: Callable[[int, int], None]
) -> tuple[tuple[Result, ...], list[Answer]]:
    """Match the copies of a folder with the index of the archive that they came from.

    A copy is EDIT/NAME, where NAME is that of its source in the archive; its suffix may differ. Returns the answers, and by
    edit and over all the share of copies whose source is decided, is named first, of which another source is decided, and of
    which the decided match of the source says one of `EDITS`. FingerprintError if a copy has no edit, or no source or several;
    CatalogueError without a folder of media.
    """
    sources = defaultdict[PurePosixPath, list[str]](list)
    for each in index.matcher().library.sources:
        sources[PurePosixPath(each).with_suffix("")].append(each)
    files = [MediaFile(file.name, file.path) for file in scan(copies, "video", "audio").files]
    wanted = dict[str, tuple[str, str]]()
    for file in files:
        edit, _, name = file.name.partition("/")
        named = sources[PurePosixPath(name).with_suffix("")] if name else []
        if len(named) != 1:
            problem = f"sources {', '.join(sorted(named))} have this name" if named else "no source of this name"
            raise FingerprintError(f"{copies / file.name}: {problem}; lay copies in COPIES/EDIT/SOURCE")
        wanted[file.name] = edit, named[0]
    answers, told = list[Answer](), list[tuple[str | bool, ...]]()
    for answer in index.match_files(files):
        answers.append(answer)
        progress(len(answers), len(files))
        edit, source = wanted[answer.query]
        decided = {match.reference for match in answer.decided}
        first = [match.reference for match in answer.matches[:1]]
        right = [match for match in answer.decided if match.reference == source][:1]
        said = [any(map(is_said, right)) for is_said in EDITS.values()]
        told.append((edit, source in decided, first == [source], bool(decided - {source}), *said))
    table = pd.DataFrame(told, columns=["edit", *METRICS, *EDITS])
    results = [
        Result(TEST, str(edit), None, "joint", "avtempo", metric, float(copies_of[metric].mean()), len(copies_of))
        for edit, copies_of in [*table.groupby("edit", sort=False), (ALL, table)]
        for metric in (*METRICS, *EDITS)
    ]
    return tuple(results), answers


def found_copies_table(results: Sequence[Result]) -> Sheet:
    """Make a table of all together and of the edits, those with the fewest decisions first; equal ones share a row."""
    cells = {(each.task, each.metric): each for each in results if each.test == TEST}
    edits = sorted(
        {edit for edit, _ in cells} - {ALL}, key=lambda edit: (*(cells[edit, m].value for m in METRICS[:2]), edit)
    )
    counts = {at: round(each.value * each.n) for at, each in cells.items()}
    rows = list[tuple[str, ...]]()
    for edit in (ALL, *edits):
        said = [f"{counts[edit, way]} {way}" for way in EDITS if counts[edit, way]]
        found = [f"{counts[edit, metric]} of {cells[edit, metric].n}" for metric in METRICS]
        rows.append((edit, *found, ", ".join(said)))
    return Sheet(
        "copies found", ("edit", "decided", "named first", "another source decided", "said to be"), rows
    ).joined()
