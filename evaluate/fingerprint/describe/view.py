"""A view of a query: which edits are undone before it is compared with the references."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A rectangle, in shares of the frame's width and height."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @property
    def area(self) -> float:
        """Share of the frame."""
        return (self.right - self.left) * (self.bottom - self.top)

    def pixels(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of a frame of this size, at least one each."""
        top, left = round(self.top * height), round(self.left * width)
        bottom, right = round(self.bottom * height), round(self.right * width)
        return slice(min(top, height - 1), max(bottom, top + 1)), slice(min(left, width - 1), max(right, left + 1))

    def overlap(self, other: "Region") -> float:
        """Share of the union of both that lies in both."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        both = max(0.0, wide) * max(0.0, high)
        return both / (self.area + other.area - both)


WHOLE = Region()


@dataclass(frozen=True)
class View:
    """Edits of a query that are undone.

    Attributes:
        region: the part of the query's frame that is looked at.
        is_mirrored: whether left and right were exchanged, before it was turned.
        turned_degrees: by how much the query was turned clockwise: 0, 90, 180 or 270.
        speed: how many times as fast as the reference the query plays.
        pitch: by how much its pitch was raised, as a ratio of frequencies.
    """

    region: Region = WHOLE
    is_mirrored: bool = False
    turned_degrees: int = 0
    speed: float = 1.0
    pitch: float = 1.0


PLAIN = View()
