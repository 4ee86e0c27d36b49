"""Renders the frames of a clip from its look and its motion.

All traces of an event start at once and then fade: the trail, halos around strikes, the flash of the object, rings of
drops in the background. None of them ever runs backwards.

The canvas is (3, H, W): with the colours last, NumPy's innermost loop would be three steps long.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.sample.look import DROP_SECONDS, HEIGHT_PX, WIDTH_PX, Look, Pixels, Staging, draw_staging
from preprocess.synthetic.sample.motion import ASPECT, FPS, N_FRAMES, Motion, wear_at

_TRAIL_OPACITY = (0.55, 0.38, 0.25, 0.12)
_FLASH_SECONDS = 0.16
_HALO_SECONDS = 0.45
_GLOW_SECONDS = 0.25
_CORE_REACH = 0.85
"""Radius of a wholly worn object's dark core, relative to the object's."""

Point = tuple[float, float]


def _stamp(
    canvas: Pixels, centre: Point, reach_px: float, colour: Pixels, opacity: Callable[[Pixels, Pixels], Pixels]
) -> None:
    """Blend a colour (3,) over the pixels of the canvas within reach of a centre (frame heights).

    `opacity` takes the pixels' offsets from the centre, across (1, w) and down (h, 1), and returns (h, w) in 0..1.
    """
    x_px, y_px = centre[0] * HEIGHT_PX, centre[1] * HEIGHT_PX
    left, right = max(0, int(x_px - reach_px)), min(WIDTH_PX, int(x_px + reach_px) + 2)
    top, bottom = max(0, int(y_px - reach_px)), min(HEIGHT_PX, int(y_px + reach_px) + 2)
    if left >= right or top >= bottom:
        return
    across = np.arange(left, right, dtype=np.float32) - np.float32(x_px)
    down = np.arange(top, bottom, dtype=np.float32) - np.float32(y_px)
    patch = canvas[:, top:bottom, left:right]
    patch += opacity(across[None, :], down[:, None]) * (colour[:, None, None] - patch)


_CORNERS = {"triangle": 3, "square": 4}
_LOBES = {"star": (5, 0.25), "clover": (4, 0.35), "bar": (2, 0.5), "trefoil": (3, 0.4)}
"""Number and depth."""


def _outline(shape: str, angle: Pixels) -> Pixels:
    """Distance of a shape's edge from its centre by angle; about a disc's area."""
    if shape in _LOBES:
        number, depth = _LOBES[shape]
        return 1 + np.float32(depth) * np.cos(number * angle)
    half = np.float32(np.pi / _CORNERS[shape])
    return 1.2 * np.cos(half) / np.cos(np.mod(angle, 2 * half) - half)


def _draw_shape(
    canvas: Pixels,
    centre: Point,
    colour: Pixels,
    *,
    radius: float,
    shape: str,
    turn: float,
    opacity: float = 1.0,
    squash: float = 1.0,
) -> None:
    radius_px = np.float32(radius * HEIGHT_PX)

    def filled(across: Pixels, down: Pixels) -> Pixels:
        across, down = across * np.float32(squash), down / np.float32(squash)
        distance = np.sqrt(across * across + down * down)
        angle = np.arctan2(down, across) + np.float32(turn)
        edge = radius_px * _outline(shape, angle) if shape != "disc" else radius_px
        return np.float32(opacity) * np.clip(edge - distance + np.float32(0.5), 0, 1)

    _stamp(canvas, centre, 1.5 * float(radius_px) / squash + 2, colour, filled)


def _draw_ring(canvas: Pixels, centre: Point, colour: Pixels, *, radius: float, width: float, opacity: float) -> None:
    radius_px, width_px = np.float32(radius * HEIGHT_PX), np.float32(width * HEIGHT_PX)

    def band(across: Pixels, down: Pixels) -> Pixels:
        distance = np.sqrt(across * across + down * down)
        inside = np.clip(1 - np.abs(distance - radius_px) / width_px, 0, 1)
        return (np.float32(opacity) * inside).astype(np.float32, copy=False)

    _stamp(canvas, centre, float(radius_px + width_px) + 1, colour, band)


def _view(backdrop: Pixels, y: float, x: float) -> Pixels:
    """Backdrop (3, H', W') through the camera at a fractional position, (3, HEIGHT_PX, WIDTH_PX), bilinear."""
    i, j = int(y), int(x)
    a, b = np.float32(y - i), np.float32(x - j)
    rows = backdrop[:, i : i + HEIGHT_PX + 1, j : j + WIDTH_PX + 1]
    rows = rows[:, :-1] + a * (rows[:, 1:] - rows[:, :-1])
    return rows[..., :-1] + b * (rows[..., 1:] - rows[..., :-1])


def _draw_drops(canvas: Pixels, look: Look, staging: Staging, seconds: float) -> None:
    for impact, x, y in staging.drops:
        unit = (seconds - impact) / DROP_SECONDS
        if 0 <= unit < 1:
            _draw_ring(canvas, (x, y), look.drop_colour, radius=0.0, width=0.13, opacity=0.9 * (1 - unit) ** 2)
            spread = 0.05 + 0.17 * unit
            _draw_ring(canvas, (x, y), look.drop_colour, radius=spread, width=0.04, opacity=0.6 * (1 - unit))


def _draw_halos(canvas: Pixels, look: Look, motion: Motion, seconds: float, centre: Point) -> float:
    """Rings around the strikes under way; returns how brightly the object itself flashes, 0 to 1."""
    flash = 0.0
    for struck, strength in zip(motion.strikes.seconds, motion.strikes.strength, strict=True):
        age = seconds - float(struck)
        if 0 <= age < _HALO_SECONDS:
            unit = age / _HALO_SECONDS
            radius, opacity = look.radius * (1 + 1.2 * unit), 0.75 * float(strength) * (1 - unit)
            _draw_ring(canvas, centre, look.halo_colour, radius=radius, width=0.045, opacity=opacity)
            flash = max(flash, float(strength * np.exp(-age / _FLASH_SECONDS)))
    return flash


def _shade(colour: Pixels, brightness: float) -> Pixels:
    """From black (0) over the colour itself (0.5) to white (1)."""
    if brightness <= 0.5:
        return np.float32(2 * brightness) * colour
    return colour + np.float32(2 * brightness - 1) * (255 - colour)


def _draw_object(canvas: Pixels, look: Look, staging: Staging, motion: Motion, t: int) -> None:
    """Draw the object at frame t with its trail and halos."""
    side = -1.0 if staging.mirrored else 1.0

    def place(x: float, y: float) -> Point:
        return ASPECT / 2 + side * (x - ASPECT / 2) + staging.shift[0], y + staging.shift[1]

    radius = look.radius * staging.size * float(motion.scale[t])
    gap, squash = float(motion.gap[t]), float(motion.squash[t])
    # Two halves, the upper one light, the lower one dark: equal halves would move alike in both directions of time.
    brightness = ((-gap, 0.85), (gap, 0.15)) if gap else ((0.0, float(motion.brightness[t])),)
    parts = [(offset, _shade(look.colour, value)) for offset, value in brightness]
    here = place(motion.x[t], motion.y[t])
    for offset, colour in parts:
        for lag in reversed(range(len(_TRAIL_OPACITY))):
            ghost = place(motion.trail_x[lag, t], motion.trail_y[lag, t] + offset)
            opacity = _TRAIL_OPACITY[lag]
            _draw_shape(canvas, ghost, colour, radius=radius, shape=look.shape, turn=staging.turn, opacity=opacity)
    struck = here if motion.ground_y is None else place(motion.x[t], motion.ground_y)
    flash = _draw_halos(canvas, look, motion, t / FPS, struck)
    worn = _CORE_REACH * float(wear_at(np.array(t / FPS)))
    for offset, colour in parts:
        centre = here[0], here[1] + offset
        lit = colour + np.float32(0.7 * flash) * (look.halo_colour - colour)
        _draw_shape(canvas, centre, lit, radius=radius, shape=look.shape, turn=staging.turn, squash=squash)
        _draw_shape(canvas, centre, look.core_colour, radius=worn * radius, shape="disc", turn=0.0, squash=squash)


def render_frames(motion: Motion, look: Look, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Render the clip's frames, (N_FRAMES, HEIGHT_PX, WIDTH_PX, 3) uint8 RGB."""
    staging = draw_staging(look, rng)
    backdrop, light = (np.ascontiguousarray(image.transpose(2, 0, 1)) for image in (look.backdrop, staging.light))
    frames = np.empty((N_FRAMES, HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    for t in range(N_FRAMES):
        canvas = _view(backdrop, float(staging.camera[t, 0]), float(staging.camera[t, 1]))
        canvas += light
        _draw_drops(canvas, look, staging, t / FPS)
        other = (float(staging.other[t, 0]), float(staging.other[t, 1]))
        radius, shape = look.other_radius, look.other_shape
        _draw_shape(canvas, other, look.other_colour, radius=radius, shape=shape, turn=staging.turn, opacity=0.85)
        _draw_object(canvas, look, staging, motion, t)
        ages = t / FPS - motion.strikes.seconds
        glow = np.max(motion.strikes.strength * np.exp(-np.abs(ages) / _GLOW_SECONDS) * (ages >= 0), initial=0.0)
        # One grain for the three colours, new in every frame: still noise would give the camera's path away.
        grain = rng.standard_normal((HEIGHT_PX, WIDTH_PX), dtype=np.float32)
        canvas += grain * np.float32(look.noise) + np.float32(look.glow * float(glow))
        frames[t] = np.clip(canvas, 0, 255).transpose(1, 2, 0)
    return frames
