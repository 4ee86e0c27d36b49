"""A command that fails for a reason of its user's says so in a line."""

import pytest

from evaluate.errors import EvaluateError
from evaluate.exit_status import exit_status


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (EvaluateError("no such run"), "error: no such run\n"),
        (
            PermissionError(13, "Permission denied", "/closed/dataset.json"),
            "error: [Errno 13] Permission denied: '/closed/dataset.json': change its owner or mode\n",
        ),
    ],
)
def test_errors_are_one_line_and_status_2(error, said, capsys):
    def fail():
        raise error

    assert exit_status(fail) == 2
    assert capsys.readouterr().err == said
