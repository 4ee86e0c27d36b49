"""A peer's side of the talk with `benchmarks.peer`: ready, then one answer a line."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(work: Callable[[], dict[str, Any]]) -> None:
    """Answer every line on standard input; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _say(answers, {"ready": True})
    for _ in sys.stdin:
        _say(answers, work())


def _say(answers: Any, values: dict[str, Any]) -> None:
    answers.write(json.dumps(values) + "\n")
    answers.flush()
