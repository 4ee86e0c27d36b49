"""Pictures to lay over a video, drawn with Pillow: not every ffmpeg has drawtext, and fonts differ between machines."""

from pathlib import Path

import numpy as np

WORDS = ("breaking", "live", "watch", "this", "now", "follow", "for", "more", "best", "moment", "ever", "seen")
_INK = [(255, 255, 255), (255, 230, 0), (20, 20, 20), (230, 30, 60), (30, 120, 240)]


def draw_text(path: Path, size_px: tuple[int, int], share: float, random: np.random.Generator) -> None:
    """Write a transparent PNG of the picture's size with lines of text that fill `share` of its height."""
    from PIL import Image, ImageDraw, ImageFont

    width, height = size_px
    n_lines = max(1, round(share / 0.12))
    line_px = max(8, round(height * share / n_lines))
    font = ImageFont.load_default(size=line_px * 0.8)  # Pillow brings it: the same letters everywhere
    image = Image.new("RGBA", size_px)
    draw = ImageDraw.Draw(image)
    top = int(random.integers(0, max(1, height - n_lines * line_px)))
    ink = _INK[random.integers(len(_INK))]
    paper = tuple(255 - channel for channel in ink)
    for line in range(n_lines):
        text = " ".join(random.choice(WORDS, 6))
        place = (width * float(random.uniform(0.02, 0.15)), top + line * line_px)
        draw.text(place, text, font=font, fill=ink, stroke_width=max(1, line_px // 12), stroke_fill=paper)
    image.save(path)


def draw_logo(path: Path, size_px: tuple[int, int], share: float, random: np.random.Generator) -> None:
    """Write a transparent PNG of the picture's size with a mark in one corner, `share` of the short side wide."""
    from PIL import Image, ImageDraw

    width, height = size_px
    side, margin = round(share * min(size_px)), round(0.03 * min(size_px))
    x = int(random.choice([margin, width - side - margin]))
    y = int(random.choice([margin, height - side - margin]))
    image = Image.new("RGBA", size_px)
    draw = ImageDraw.Draw(image)
    ink, second = (_INK[i] for i in random.permutation(len(_INK))[:2])
    draw.ellipse((x, y, x + side, y + side), fill=(*ink, 235))
    third = side / 3
    draw.polygon(
        [(x + third, y + 0.8 * third), (x + third, y + 2.2 * third), (x + 2.3 * third, y + 1.5 * third)], second
    )
    image.save(path)
