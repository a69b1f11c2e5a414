"""Colours: sRGB to linear light and back, and the scale of muscle activation."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from musclegym.envs.raster import Pixels
from musclegym.rotation import Array

ACTIVATION_COLOURS = ("#9fb1c4", "#d9867a", "#c4232b", "#7d0016")
"""Colours at evenly spaced activations from 0 to 1, in sRGB; each is darker than the one before."""


def linear(colour: str) -> Array:
    """Return the linear RGB (3,) of an sRGB colour "#rrggbb" (IEC 61966-2-1)."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64) / 255.0
    decoded = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(decoded, dtype=np.float64)


def encoding(steps: int = 4096) -> Pixels:
    """Return the sRGB bytes of `steps` linear values from 0 to 1."""
    value = np.linspace(0.0, 1.0, steps)
    coded = np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255.0 * coded).astype(np.uint8)


def activation_ramp(steps: int = 256) -> Array:
    """Return linear RGB (steps, 3) of activations from 0 to 1, mixed in Oklab so that steps look even.

    Oklab: Ottosson 2020, "A perceptual color space for image processing".
    """
    to_cone = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    # Oklab is linear in the cube roots of the cones' responses, so mixing those is mixing in Oklab.
    anchors = np.cbrt([to_cone @ linear(colour) for colour in ACTIVATION_COLOURS])
    place = np.linspace(0.0, 1.0, len(anchors))
    mixed = [np.interp(np.linspace(0.0, 1.0, steps), place, anchors[:, i]) for i in range(3)]
    return np.clip(np.linalg.solve(to_cone, np.power(mixed, 3)).T, 0.0, 1.0).astype(np.float64)


def draw_legend(height: int) -> Pixels:
    """Return the colour bar of activation, RGBA, for a picture of that height."""
    unit = height / 480.0
    ink = (58, 66, 78)
    bar_width, bar_height = int(120 * unit), max(2, int(8 * unit))
    picture = Image.new("RGBA", (int(150 * unit), int(44 * unit)), (*ink, 0))
    ramp = encoding()[np.round(activation_ramp(bar_width) * 4095).astype(np.int64)]
    bar = Image.fromarray(np.repeat(ramp[None], bar_height, axis=0))
    left, top = int(14 * unit), int(20 * unit)
    picture.paste(bar, (left, top))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(max(7, int(11 * unit)))
    pen.text((left, int(4 * unit)), "muscle activation", fill=ink, font=font)
    for share, text in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
        pen.text(
            (left + share * bar_width, top + bar_height + 2 * unit), text, fill=ink, font=font, anchor="mt"
        )
    return np.asarray(picture)


def blend(picture: Pixels, legend: Pixels) -> None:
    """Lay the legend over the picture's lower left corner, as far as it fits."""
    rows, columns = min(len(legend), len(picture)), min(legend.shape[1], picture.shape[1])
    corner, over = picture[-rows:, :columns], legend[-rows:, :columns].astype(np.float64)
    corner[:] = np.round(corner + (over[..., :3] - corner) * over[..., 3:] / 255.0).astype(np.uint8)
