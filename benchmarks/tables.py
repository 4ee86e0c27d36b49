"""Results of benchmarks as tables in Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks import archive, embedding, growth, ingest, loading, searching, storing, training_step
from benchmarks.race import OURS, RATIO, SECONDS
from benchmarks.step import OVERHEAD, PARTS
from evaluate.results.results import Result

RACES = (ingest.TASK, loading.TASK, embedding.TASK, storing.TASK, searching.TASK)
_UNITS = {"seconds of video/s": "hours of video an hour"}
"""What a unit is called where it is not called what it is."""


def table(task: str, results: Sequence[Result], missing: Mapping[str, str]) -> str:
    """The table of a question.

    Args:
        task: the question.
        results: of all questions.
        missing: why a way was not run, by its name.
    """
    if task == training_step.TASK:
        return _step_table(results)
    if task == archive.TASK:
        return _archive_table(results)
    return _growth_table(results) if task == growth.TASK else _race_table(task, results, missing)


def values_of(results: Sequence[Result], task: str) -> dict[str, dict[str, Result]]:
    """Results of a question by model and metric."""
    found: dict[str, dict[str, Result]] = {}
    for result in results:
        if result.task == task:
            found.setdefault(result.model, {})[result.metric] = result
    return found


def cases_of(results: Sequence[Result], task: str) -> dict[str, dict[str, dict[str, Result]]]:
    """Results of a question by case, model and metric; the case is taken off the metric."""
    found: dict[str, dict[str, dict[str, Result]]] = {}
    for model, values in values_of(results, task).items():
        for name, result in values.items():
            case, _, metric = name.partition(": ")
            found.setdefault(case, {}).setdefault(model, {})[metric] = result
    return found


def _race_table(task: str, results: Sequence[Result], missing: Mapping[str, str]) -> str:
    """One row a case and way: amounts a second, and how many times as fast as it ours is."""
    cases = cases_of(results, task)
    units = [metric for metric in next(iter(cases.values()))[OURS] if metric.endswith("/s")]
    names = [_UNITS.get(unit, unit) for unit in units]
    lines = [
        f"| job | way | s | {' | '.join(names)} | Avtempo's speed over it | goal | |",
        f"|---|---|---:|{'---:|' * len(units)}---:|---:|---|",
    ]
    for case, ways in cases.items():
        for name, values in ways.items():
            rates = " | ".join(
                f"{values[unit].value:,.3g}" if values[unit].value < 100 else f"{values[unit].value:,.0f}"
                for unit in units
            )
            ratio, goal = values.get(RATIO), values.get("goal")
            shown = "" if ratio is None else f"{ratio.value:.2f}"
            aim = "" if goal is None else f"{goal.value:.2f}"
            met = "" if ratio is None or goal is None else "met" if ratio.value >= goal.value else "**missed**"
            lines.append(f"| {case} | {name} | {values[SECONDS].value:.3f} | {rates} | {shown} | {aim} | {met} |")
    n = next(iter(results_of(results, task))).n
    lines += ["", f"Medians of {n} rounds; the speed over another way is the median of the ratios within a round."]
    lines += [f"Not run: {name}: {reason}." for name, reason in missing.items()]
    return "\n".join(lines)


def results_of(results: Sequence[Result], task: str) -> list[Result]:
    """Results of a question."""
    return [result for result in results if result.task == task]


def _growth_table(results: Sequence[Result]) -> str:
    lines = ["| stage | size | s | MiB at its peak | s, times the smallest | MiB, times the smallest |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for stage, values in values_of(results, growth.TASK).items():
        unit = growth.STAGES[stage].unit
        factors = [name.partition(":")[0] for name in values if name.endswith(f": {unit}")]
        first = {key: values[f"{factors[0]}: {key}"].value for key in (growth.SECONDS, growth.MEBIBYTES)}
        for factor in factors:
            seconds, memory = (values[f"{factor}: {key}"].value for key in (growth.SECONDS, growth.MEBIBYTES))
            size = values[f"{factor}: {unit}"].value
            lines.append(
                f"| {stage} | {size:,.0f} {unit} | {seconds:.3f} | {memory:.0f} | "
                f"{seconds / first[growth.SECONDS]:.2f} | {memory / first[growth.MEBIBYTES]:.2f} |"
            )
    return "\n".join(lines)


def _step_table(results: Sequence[Result]) -> str:
    lines = ["| part | ms a step | share, per cent |", "|---|---:|---:|"]
    for values in values_of(results, training_step.TASK).values():
        for name in PARTS:
            share = values[f"{name}, share"].value
            lines.append(f"| {name} | {1e3 * values[f'{name}, seconds'].value:.1f} | {100 * share:.1f} |")
        step, loop = values["step, seconds"], values["trainer loop, seconds"].value
        lines += [
            f"| **overhead**: {', '.join(OVERHEAD)} | | {100 * values['overhead, share'].value:.1f} |",
            f"| the step, timed part by part | {1e3 * step.value:.1f} | 100 |",
            f"| the step by the trainer's own clock | {1e3 * loop:.1f} | {100 * loop / step.value:.1f} |",
        ]
        lines += ["", f"Medians over blocks of {training_step.STEPS} steps, {step.n} steps in all."]
    return "\n".join(lines)


def _archive_table(results: Sequence[Result]) -> str:
    lines = [
        "| archive | descriptors | codes, MB an hour | s to build | ms a query | goal | | found first, per cent |",
        "|---|---:|---:|---:|---:|---:|---|---:|",
    ]
    for name, values in values_of(results, archive.TASK).items():
        took, goal = values[archive.MILLISECONDS].value, archive.GOAL_MILLISECONDS
        lines.append(
            f"| {name} | {values[archive.ROWS].value:,.0f} | {values[archive.MEGABYTES].value:.2f} | "
            f"{values[archive.BUILD].value:.0f} | {took:.0f} | {goal:.0f} | {'met' if took <= goal else '**missed**'} | "
            f"{100 * values[archive.FOUND].value:.0f} |"
        )
    return "\n".join([*lines, "", f"Medians of {next(iter(results_of(results, archive.TASK))).n} queries of 10 s."])
