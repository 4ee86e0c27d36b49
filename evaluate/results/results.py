"""results.json: a list of records, one number each, shared by every test, table and report.

    {"test": "ucf101", "task": "retrieval", "split": 1, "modality": "video", "model": "pretrained",
     "metric": "R@1", "value": 0.41, "n": 300, "low": 0.36, "high": 0.46}

The `n` of a mean over splits counts the queries of all splits. Old lists lack `low` and `high`.
The fields from `test` to `metric` are a record's identity: a newer record replaces an older one with the same identity.
A list may begin with one `{"header": {...}}` record (commit, date, machine of the newest records), which is not a result.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, NonNegativeInt, ValidationError
from pydantic.dataclasses import dataclass

from evaluate.errors import ResultsError
from evaluate.results.origin import origin
from store.atomic_files import replacing

if TYPE_CHECKING:
    import pandas as pd

MODALITIES = ("video", "audio", "joint", "audio-to-video", "video-to-audio")
RESULTS_NAME = "results.json"
REMEDY = "move the file away and evaluate again, or repair the record"
_PATIENCE_SECONDS = 30.0
"""Time for another command to write its records."""

Word = Annotated[str, Field(min_length=1)]
Identity = tuple[str, str, int | None, str, str, str]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Result:
    """One number of one test (the data set, such as "ucf101"); the split is None for the mean over splits.

    Attributes:
        value: a fraction, 0 to 1, unless the metric names a unit, such as "queries-per-second".
        n: queries or test videos behind the value.
        low, high: ends of the 95 % interval of the value (evaluate.protocols.bootstrap); both None where there is none.

    Raises:
        ValueError: a field has the wrong type or range.
    """

    test: Word
    task: Word
    split: int | None
    modality: Annotated[str, Field(pattern=f"^({'|'.join(MODALITIES)})$")]
    model: Word
    metric: Word
    value: int | float
    n: NonNegativeInt
    low: int | float | None = None
    high: int | float | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"low and high must be both null or both not, not {self.low!r} and {self.high!r}")

    @property
    def identity(self) -> Identity:
        """What a newer record must share to replace this one."""
        return (self.test, self.task, self.split, self.modality, self.model, self.metric)


FIELD_NAMES = tuple(field.name for field in fields(Result))


def read_results(path: Path) -> tuple[Result, ...]:
    """Read all records of a file, in its order; empty if there is none yet, ResultsError if it is no list of such records."""
    header, records = _read(path)
    return tuple(_parse(path, number, record) for number, record in enumerate(records, 0 if header is None else 1))


def load_results(run: Path | str) -> "pd.DataFrame":
    """Read the results of a run's folder, or a results file, as a pandas frame: a row a number, columns as in `Result`.

    ResultsError if there are no results, or the file is not a list of such records.
    """
    import pandas as pd

    path = Path(run) / RESULTS_NAME if Path(run).is_dir() else Path(run)
    if not path.is_file():
        raise ResultsError(path, "does not exist; evaluate the run first")
    frame = pd.DataFrame([asdict(result) for result in read_results(path)], columns=list(FIELD_NAMES))
    return frame.astype({"split": "Int64"})


OLDER_COMMITS = "older_commits"
"""In a header: commits that made records of the file, besides the header's own."""


def read_header(path: Path) -> dict[str, Any]:
    """Read the header, the origin of the numbers; empty without a header or file, ResultsError if it is not a list."""
    return _read(path)[0] or {}


def _read(path: Path) -> tuple[dict[str, Any] | None, list[Any]]:
    """Return the header, if there is one, and the other records."""
    if not path.exists():
        return None, []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultsError(path, f"is not JSON ({error}); {REMEDY}") from error
    if not isinstance(records, list):
        raise ResultsError(path, f"is not a list of records; {REMEDY}")
    match records:
        case [{"header": dict(header), **others}, *rest] if not others:
            return header, rest
    return None, records


def _parse(path: Path, number: int, record: Any) -> Result:
    if not isinstance(record, dict):
        raise ResultsError(path, f"record {number} must have the fields {', '.join(FIELD_NAMES)}; {REMEDY}")
    try:
        return Result(**record)
    except ValidationError as found:
        findings = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in found.errors())
        raise ResultsError(path, f"record {number}: {findings}; {REMEDY}") from found


def merge_results(old: Iterable[Result], new: Iterable[Result]) -> tuple[Result, ...]:
    """Return old records in order, replaced by new ones with the same identity; then the other new records."""
    return tuple({result.identity: result for result in (*old, *new)}.values())


def write_results(path: Path, results: Sequence[Result], header: dict[str, Any] | None = None) -> None:
    """Write the file whole or not at all; the header is the origin of the numbers (command, date, commit, machine).

    StoreError if another process is writing it, or the disk is full or refuses.
    """
    with replacing(path) as temporary:
        temporary.write_text(_text(results, header), encoding="utf-8")


def _text(results: Iterable[Result], header: dict[str, Any] | None) -> str:
    records = [*([] if header is None else [{"header": header}]), *map(asdict, results)]
    return "[\n" + ",\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n]\n"


def update_results(
    path: Path,
    new: Iterable[Result],
    means_of: Callable[[Iterable[Result]], Iterable[Result]] = lambda _: (),
    drop: Callable[[Result], bool] = lambda _: False,
) -> tuple[Result, ...]:
    """Add records to a results file, replacing those of the same identity where they are; return all that it now holds.

    Its header says with which code and when, and names commits of records that another command left there. Nobody else can
    change the file between reading and writing. `means_of` computes means over splits. It is given all splits that the file
    holds of each new record, since an earlier command may have measured some of them. `drop` tells which old records are out
    of date.

    Raises:
        ResultsError: the file that is there cannot be read; it is left as it is.
        StoreError: another process keeps writing it, or the disk is full or refuses.
    """
    header, added = origin(), {result.identity: result for result in new}  # origin reads all code: before the lock
    over_splits = {replace(result, split=None).identity for result in added.values()}
    with replacing(path, patience_seconds=_PATIENCE_SECONDS) as temporary:
        former, merged = read_header(path), merge_results(read_results(path), added.values())
        kept = [result for result in merged if result.identity in added or not drop(result)]
        if any(result.identity not in added | dict.fromkeys(over_splits) for result in kept):
            older = {*former.get(OLDER_COMMITS, ()), str(former.get("commit"))} - {header["commit"]}
            header |= {OLDER_COMMITS: sorted(older)} if older else {}
        merged = merge_results(kept, means_of(r for r in kept if replace(r, split=None).identity in over_splits))
        temporary.write_text(_text(merged, header), encoding="utf-8")
    return merged
