"""Papers' numbers on the same tests, from papers.yaml, with ours on top: their data and scale are not ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from evaluate.protocols.result_table import model_order
from evaluate.report.result_tables import Column, mean_value
from evaluate.results.results import Result

PAPERS_FILE = Path(__file__).parent / "papers.yaml"
KINDS: dict[str, tuple[str, tuple[Column, ...]]] = {
    "finetune": ("fine-tune", (("finetune", "top-1"),)),
    "linear": ("linear", (("linear", "top-1"), ("svm", "top-1"))),
    "retrieval": ("R@1", (("retrieval", "R@1"),)),
}
"""Name in papers.yaml -> title, and where our own number of this kind stands, the first that is there."""

OURS = "pretrained"
"""How the names of our models begin that stand beside papers'."""


@dataclass(frozen=True)
class Entry:
    """One method: values are fractions in the order of `Papers.columns`, None where it gives none."""

    method: str
    pretraining: str
    values: tuple[float | None, ...]
    source: str
    is_ours: bool = False


@dataclass(frozen=True)
class Papers:
    """The table beside a test's own."""

    columns: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the papers' numbers were read, each source once."""
        return tuple(dict.fromkeys(entry.source for entry in self.entries if not entry.is_ours))


def build_papers(results: Sequence[Result], test: str, run: str) -> Papers | None:
    """Papers' rows of a test under our own; None where we have no numbers or know of no paper's.

    Ours are those of the pretrained models (several where they differ in what they were trained on), by video features
    where the test has any, else by audio features.
    """
    listed = yaml.safe_load(PAPERS_FILE.read_text(encoding="utf-8"))
    sources, rows = listed["sources"], listed.get(test, ())
    kinds = [kind for kind in KINDS if any(kind in row for row in rows)]
    mine = [result for result in results if result.test == test]
    if not kinds or not mine:
        return None
    modality = next((name for name in ("video", "audio") if any(r.modality == name for r in mine)), "")
    ours = [result for result in mine if result.modality == modality and result.model.startswith(OURS)]
    entries = [
        Entry(
            f"{model}, {modality}",
            f"its own shards, run {run}",
            tuple(_first_value([r for r in ours if r.model == model], KINDS[kind][1]) for kind in kinds),
            "",
            is_ours=True,
        )
        for model in model_order([result.model for result in ours])
    ]
    entries += [
        Entry(
            row["method"],
            row["pretraining"],
            tuple(row[kind] / 100 if kind in row else None for kind in kinds),
            sources[row["source"]],
        )
        for row in rows
    ]
    return Papers(tuple(KINDS[kind][0] for kind in kinds), tuple(entries))


def _first_value(results: Sequence[Result], columns: Sequence[Column]) -> float | None:
    values = (mean_value(results, column) for column in columns)
    return next((value for value in values if value is not None), None)
