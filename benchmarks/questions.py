"""Every question and what answers it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import archive, embedding, growth, ingest, loading, searching, storing, training_step
from benchmarks.race import Effort, Race
from evaluate.results.results import Result


@dataclass(frozen=True)
class Setting:
    """What a question may use.

    Attributes:
        data: folder of made-up videos and what is made from them; kept.
        shards, preset: of the training step.
        effort: how often, and how much.
    """

    data: Path
    shards: Path
    preset: str
    effort: Effort


@dataclass(frozen=True)
class Answer:
    """Numbers, and why a way was not run, by its name."""

    results: list[Result]
    missing: dict[str, str] = field(default_factory=dict)


Question = Callable[[Setting], Answer]


def _raced(measure: Callable[[Path, Effort], list[Race]]) -> Question:
    def ask(setting: Setting) -> Answer:
        races = measure(setting.data, setting.effort)
        missing = {name: reason for each in races for name, reason in each.missing.items()}
        return Answer([record for each in races for record in each.records()], missing)

    return ask


def _step(setting: Setting) -> Answer:
    rounds = min(setting.effort.rounds + 1, training_step.ROUNDS)
    times = training_step.measure(setting.preset, setting.shards, rounds, setting.effort.sized(training_step.STEPS))
    return Answer(list(training_step.records(setting.preset, times)))


def _growth(setting: Setting) -> Answer:
    return Answer(growth.measure(setting.data, setting.effort))


def _archive(setting: Setting) -> Answer:
    return Answer(archive.measure(setting.data, setting.effort))


QUESTIONS: dict[str, Question] = {
    ingest.TASK: _raced(ingest.measure),
    loading.TASK: _raced(loading.measure),
    embedding.TASK: _raced(embedding.measure),
    storing.TASK: _raced(storing.measure),
    searching.TASK: _raced(searching.measure),
    growth.TASK: _growth,
    archive.TASK: _archive,
    training_step.TASK: _step,
}
