"""The page /docs: the API as /openapi.json describes it, without a script from elsewhere."""

from html import escape

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API of the archive</title>
<link rel="stylesheet" href="/static/page.css"></head><body><main><h1>API of the archive</h1>
<p>Send the header <code>Authorization: Bearer TOKEN</code>. <a href="/openapi.json">openapi.json</a> describes
parameters, bodies and answers for programs. Errors are <code>{"detail": "what failed; what to do"}</code>.</p>
%s</main></body></html>
"""


def add_api_page(app: FastAPI) -> None:
    """Add the route."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        described = app.openapi()["paths"]
        return HTMLResponse(_PAGE % "\n".join(_route(path, described[path]) for path in described))


def _route(path: str, methods: dict[str, dict[str, object]]) -> str:
    text = ""
    for method, told in methods.items():
        text += (
            f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(str(told.get('description', '')))}</p>"
        )
        given = told.get("parameters", [])
        rows = [_parameter(each) for each in given] if isinstance(given, list) else []
        text += f"<table><tr><th>parameter</th><th>values</th></tr>{''.join(rows)}</table>" if rows else ""
    return text


def _parameter(told: dict[str, dict[str, object]]) -> str:
    values = {name: value for name, value in told["schema"].items() if name != "title"}
    shown = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"<tr><td><code>{escape(str(told['name']))}</code></td><td>{escape(shown)}</td></tr>"
