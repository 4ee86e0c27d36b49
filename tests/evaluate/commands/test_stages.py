"""Stages of a long command in a log: begun, ended, and every few seconds between, with speed and time left."""

import logging

from evaluate.commands import stages
from evaluate.commands.stages import StageLines


def test_a_line_at_the_beginning_the_end_and_every_few_seconds_with_the_speed_of_this_run(caplog, monkeypatch):
    now = 0.0
    monkeypatch.setattr(stages.time, "monotonic", lambda: now)
    lines = StageLines(every_seconds=5.0)
    with caplog.at_level(logging.INFO):
        for done in range(20, 101):  # 20 were rendered by an earlier call
            lines.show("rendering", done, 100)
            now += 0.5
        lines.show("matching", 0, 10)
    said = caplog.messages
    assert said[0] == "rendering: 20 of 100"
    assert said[1] == "rendering: 30 of 100, 2.0 a second, 35 s left"
    assert said[-2] == "rendering: 100 of 100, 2.0 a second, 0 s left"
    assert said[-1] == "matching: 0 of 10"
    assert len(said) == 10
