"""Skipped tests fail under `--no-skips`, as CI runs them, unless the machine lacks what the list below names."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

# A shell starts what runs in the background with Ctrl-C ignored, and programs that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

MACHINE_LACKS = ("needs Chromium", "torch finds no GPU")
"""Reasons that a skip may give, by their first words."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips", action="store_true", help="fail tests that are skipped, but for what a machine lacks"
    )


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    if report.skipped and config.option.no_skips and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1]).removeprefix("Skipped: ")
        if not reason.startswith(MACHINE_LACKS):
            report.outcome, report.longrepr = "failed", f"skipped for a reason that CI does not accept: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _refuse_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _refuse_skip(report, collector.config)
    return report


@pytest.fixture
def nobody() -> Callable[[], AbstractContextManager[None]]:
    """Be a user without rights inside a block: root may read everything."""

    @contextmanager
    def drop_rights():
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(user)

    return drop_rights
