"""What a soak did and found, kept stage by stage, and told as records, as a table and in docs/explanation/reliability.md."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from evaluate.publish import RESULTS_DIR, Marker, fill_pages
from evaluate.results.origin import origin
from evaluate.results.results import Result, write_results
from tests.soak.stages import Found, Plan

NAME = "soak"
RESULTS = RESULTS_DIR / "soak.json"
_HELD = "invariant: "


def keep(plan: Plan, stage: str, found: Found) -> None:
    """Note that a stage is finished, so that a soak that was stopped goes on after it."""
    path = _kept_path(plan, stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"asked": _asked(plan), "found": asdict(found)}, indent=1), encoding="utf-8")


def kept(plan: Plan, stage: str) -> Found | None:
    """What a finished stage of the same soak found."""
    path = _kept_path(plan, stage)
    if not path.exists():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    return Found(**values["found"]) if values["asked"] == _asked(plan) else None


def _kept_path(plan: Plan, stage: str) -> Path:
    return plan.path("stages") / f"{stage.replace(' ', '-')}.json"


def _asked(plan: Plan) -> dict[str, float]:
    return {name: value for name, value in asdict(plan).items() if name != "folder"}


def results(found: Mapping[str, Found]) -> list[Result]:
    """Counts as they are; of every invariant the number of breaches, 0 where it holds."""
    records = []
    for stage, each in found.items():
        values = {name: (value, 1) for name, value in each.counts.items()}
        values |= {f"{_HELD}{name}, breaches": (len(lines), 1) for name, lines in each.breaches.items()}
        records += [
            Result(NAME, stage, None, "joint", NAME, metric, float(value), n) for metric, (value, n) in values.items()
        ]
    return records


def write(plan: Plan, found: Mapping[str, Found], path: Path) -> None:
    """Write the records with what was asked, and where they come from."""
    options = (
        f"--sources {plan.n_sources} --bad-share {plan.bad_share} --kills {plan.n_kills} --steps {plan.n_steps} "
        f"--segments {plan.n_segments} --seed {plan.seed}"
    )
    header = {
        "command": f"python -m tests.soak {options}", **origin(), "asked": _asked(plan)
    }  # fmt: skip
    write_results(path, results(found), header)


def publish(root: Path, source: Path) -> None:
    """Copy the records to docs/results, and fill the marker `soak` from them."""
    (root / RESULTS).write_bytes(source.read_bytes())
    fill_pages(root, {"soak": soak})


def soak(marker: Marker) -> str:
    """What was run, and whether each invariant holds."""
    counts: dict[str, list[str]] = {}
    lines = ["| stage | invariant | holds |", "|---|---|---|"]
    for each in marker.results:
        if each.metric.startswith(_HELD):
            name = each.metric.removeprefix(_HELD).removesuffix(", breaches")
            lines.append(f"| {each.task} | {name} | {'yes' if each.value == 0 else 'NO'} |")
        else:
            counts.setdefault(each.task, []).append(f"{each.metric} {each.value:g}")
    told = [f"- {task}: {'; '.join(texts)}" for task, texts in counts.items()]
    return "\n".join([*lines, "", *told, "", marker.source()])
