"""The configuration of a run, its presets and objectives, and how they are read."""

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid")
"""How pydantic checks every dataclass of a configuration: unknown settings are refused."""
