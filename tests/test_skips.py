"""What `--no-skips` makes of tests that are skipped."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import MACHINE_LACKS

pytest_plugins = "pytester"
SKIPPED = """
import pytest

@pytest.mark.skipif(True, reason={accepted!r})
def test_accepted(): ...

@pytest.mark.skip(reason="the lists are not here")
def test_marked(): ...

@pytest.fixture
def data():
    pytest.skip("no data")

def test_of_a_fixture(data): ...

@pytest.mark.xfail
def test_known(): assert False
"""


@pytest.mark.parametrize(
    ("options", "outcomes"),
    [((), {"skipped": 4, "xfailed": 1}), (("--no-skips",), {"skipped": 1, "errors": 3, "xfailed": 1})],
)
def test_only_what_a_machine_lacks_may_be_skipped(options, outcomes, pytester):
    shutil.copy(Path(__file__).with_name("conftest.py"), pytester.path)
    pytester.makepyfile(
        test_a=SKIPPED.format(accepted=MACHINE_LACKS[0]), test_b="import pytest\npytest.importorskip('absent')"
    )
    pytester.runpytest(*options, "--continue-on-collection-errors", "-p", "no:cacheprovider").assert_outcomes(
        **outcomes
    )
