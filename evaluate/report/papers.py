"""Papers' numbers on the same tests, from papers.yaml. Their data and scale differ from ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from evaluate.protocols.result_table import model_order
from evaluate.report.result_tables import MAIN_MODEL, Column, means
from evaluate.results.results import Result

PAPERS_FILE = Path(__file__).parent / "papers.yaml"
KINDS: dict[str, tuple[str, tuple[Column, ...]]] = {
    "finetune": ("fine-tune", (("finetune", "top-1"),)),
    "linear": ("linear", (("linear", "top-1"), ("svm", "top-1"))),
    "retrieval": ("R@1", (("retrieval", "R@1"),)),
}
"""Name in papers.yaml -> title, and the columns of our own number; the first that was measured counts."""


@dataclass(frozen=True)
class Entry:
    """One method: values are fractions in the order of `Papers.columns`, or None; our own rows have no source."""

    method: str
    pretraining: str
    values: tuple[float | None, ...]
    source: str = ""


@dataclass(frozen=True)
class Papers:
    """The table of papers; each source is named once."""

    columns: tuple[str, ...]
    entries: tuple[Entry, ...]
    sources: tuple[str, ...]


def build_papers(results: Sequence[Result], test: str, run: str) -> Papers | None:
    """Tabulate papers' numbers below our own; None without numbers of either kind.

    Ours are those of the pretrained models (several if they differ in their training data), by video features if the
    test has any, else by audio features. `results` are of this test alone.
    """
    listed = yaml.safe_load(PAPERS_FILE.read_text(encoding="utf-8"))
    sources, rows = listed["sources"], listed.get(test, ())
    kinds = [kind for kind in KINDS if any(kind in row for row in rows)]
    if not kinds or not results:
        return None
    modality = "video" if any(r.modality == "video" for r in results) else "audio"
    ours = {(r.model, r.task, r.metric): r.value for r in means(results) if r.modality == modality}

    def value(model: str, kind: str) -> float | None:
        return next((ours[model, *column] for column in KINDS[kind][1] if (model, *column) in ours), None)

    models = model_order([model for model, _, _ in ours if model.startswith(MAIN_MODEL)])
    entries = [
        Entry(f"{model}, {modality}", f"its own shards, run {run}", tuple(value(model, kind) for kind in kinds))
        for model in models
    ]
    for row in rows:
        values = tuple(row[kind] / 100 if kind in row else None for kind in kinds)
        entries.append(Entry(row["method"], row["pretraining"], values, sources[row["source"]]))
    cited = tuple(dict.fromkeys(entry.source for entry in entries if entry.source))
    return Papers(tuple(KINDS[kind][0] for kind in kinds), tuple(entries), cited)
