"""The API tried with what its own OpenAPI description allows and forbids, in this process."""

import contextlib
import shutil

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.evaluate.server.conftest import BEARER, Made

N_EXAMPLES = 8
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
schemathesis.serializer.alias("application/jsonl", "text/plain")


@pytest.fixture
def schema(made, tmp_path):
    """Of a server on an index of its own, which reads only: runs have tests of their own."""
    shutil.copytree(made.index, tmp_path / "index", ignore=shutil.ignore_patterns("server"))
    (tmp_path / "index/server/.lock").mkdir(parents=True)
    with Made(tmp_path).client(names=("testserver",)) as client:  # the host of the requests made here
        described = schemathesis.openapi.from_asgi("/openapi.json", client.app, headers=BEARER)
        yield described.exclude(path="/api/events")  # it does not end


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_breaks_the_server_and_answers_fit_their_description(schema, ids, mode):
    tried, ids = 0, list(ids.values())
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def try_one(case):
            if "identity" in case.path_parameters and len(case.path_parameters["identity"]) % 2:
                case.path_parameters["identity"] = ids[len(case.path_parameters["identity"]) % len(ids)]
            case.call_and_validate(headers=BEARER, checks=CHECKS, timeout=120)  # a match decodes in a process

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is asked for
            try_one()
            tried += 1
    assert tried > 10
