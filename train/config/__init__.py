"""The configuration of a run, its presets and objectives, and how they are read."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""How pydantic checks every dataclass of a configuration: unknown settings are refused."""

Probability = Annotated[float, Field(ge=0, le=1)]
RatioMax = Annotated[float, Field(ge=1)]
"""Largest ratio, up or down."""


def _rising(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError("a range names its lowest value first")
    return values


Range = Annotated[tuple[float, float], AfterValidator(_rising)]
"""Lowest and highest value; the draw between them is uniform unless the setting says otherwise."""
PositiveRange = Annotated[tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_rising)]
"""The same, both above 0."""
