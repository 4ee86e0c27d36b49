"""How the dataclasses of a configuration are checked."""

from pydantic import ConfigDict

STRICT = ConfigDict(extra="forbid")
"""Unknown settings are refused."""
