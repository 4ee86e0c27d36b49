"""The HTML pages and their static files: each page is a shell whose JavaScript calls the API."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
PAGES = {"/": "archive", "/match": "match", "/duplicates": "duplicates", "/review": "review"}
"""Address -> name of the template and of the JavaScript."""
_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def add_pages(app: FastAPI) -> None:
    """Add a route for each page, /docs for the API as /openapi.json describes it, and /static for style and JavaScript."""
    for address, name in PAGES.items():
        app.add_api_route(address, partial(_text, name), include_in_schema=False, response_class=HTMLResponse)

    @app.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    def docs() -> str:
        api = app.openapi()
        schemas = api["components"]["schemas"]
        return _TEMPLATES.get_template("api.html").render(page="api", paths=api["paths"], schemas=schemas)

    app.mount("/static", StaticFiles(directory=FOLDER / "static"), name="static")


def locked() -> HTMLResponse:
    """Return what a browser without the token sees, with status 401."""
    return HTMLResponse(_text("locked"), status_code=401)


def _text(name: str) -> str:
    return _TEMPLATES.get_template(f"{name}.html").render(page=name)
