"""Refusals, each with the HTTP status that it is answered with, and how errors become answers."""

import logging
import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from evaluate.errors import EvaluateError
from preprocess.errors import DiskFullError
from preprocess.sources import escaped_name
from store.errors import AvtempoError, BusyError, StoreError, WriteError

_log = logging.getLogger(__name__)
RETRY_SECONDS = 5


class Problem(BaseModel):
    """Why a request failed, and what to do."""

    detail: str


class RefusedError(EvaluateError):
    """A request is refused; the message says why, and `status` is the HTTP status of the answer."""

    def __init__(self, words: str, status: int = 422) -> None:
        super().__init__(words)
        self.status = status


class NotFoundError(RefusedError):
    """There is no such source, query, pair or run."""

    def __init__(self, words: str) -> None:
        super().__init__(words, 404)


class CrashedError(RefusedError):
    """The process that read a file died."""


STATUSES: dict[type[AvtempoError], int] = {DiskFullError: 507, WriteError: 507, BusyError: 409, StoreError: 500}
"""HTTP status of other errors that were raised on purpose; the first that fits, 422 for the rest."""


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of failures that a route may answer with."""
    return {status: {"model": Problem} for status in statuses}


def answer(status: int, words: str) -> JSONResponse:
    """Answer with a problem."""
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {"WWW-Authenticate": "Bearer"}
    words = re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", words)  # JSON can hold halves of characters, UTF-8 cannot
    return JSONResponse({"detail": escaped_name(words)}, status, headers if status in (401, 503) else None)


def add_handlers(app: FastAPI) -> None:
    """Answer errors that were raised on purpose with their message; others stay errors of the server."""

    @app.exception_handler(AvtempoError)
    def on_purpose(_: Request, error: AvtempoError) -> JSONResponse:
        fitting = (status for kind, status in STATUSES.items() if isinstance(error, kind))
        status = error.status if isinstance(error, RefusedError) else next(fitting, 422)
        if status == 500:
            _log.error("%s", error)
        return answer(status, str(error))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        words = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3]]
        return answer(422, "; ".join(words))

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        response = answer(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response
