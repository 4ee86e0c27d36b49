"""The page's templates: every value that they show is escaped, and JSON cannot end the script that holds it."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evaluate.report.gallery import SEED
from evaluate.report.result_tables import column_title, test_title

TEMPLATES = Path(__file__).parent / "templates"


def render(**values: Any) -> str:
    """Fill page.html; CSS and JavaScript come from the files beside it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (percent, points, number, clock, basename, column_title, test_title, modality_title, switch_options)
    environment.filters["asdict"] = asdict
    environment.filters.update({function.__name__: function for function in filters})
    environment.globals.update(
        static=lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8")),  # noqa: S704 - our own files
        gallery_seed=SEED,
    )
    return environment.get_template("page.html").render(**values)


def percent(value: float, digits: int = 1) -> str:
    """0.4123 -> '41.2', without the sign."""
    return f"{100 * value:.{digits}f}"


def points(difference: float) -> str:
    """0.0123 -> '+1.2', with a true minus sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def number(value: float, digits: int = 3) -> str:
    """Round to significant digits."""
    return f"{value:.{digits}g}"


def clock(seconds: float) -> str:
    """'1 h 05 min', '4 min'."""
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def basename(source: str) -> str:
    """Return the last part of a source's name."""
    return source.rpartition("/")[2] or source


def modality_title(modality: str) -> str:
    """Name of a modality for readers."""
    return {"joint": "video + audio"}.get(modality, modality.replace("-", " "))


def switch_options(values: Iterable[str]) -> list[tuple[str, str]]:
    """(value, title) of each different value, in order."""
    return [(value, modality_title(value)) for value in dict.fromkeys(values)]
