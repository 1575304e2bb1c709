"""The design tokens, the same as the dashboard's: colours as lightness, chroma and hue in OKLCH, radii and sizes.

Guarantees: each colour has the name and the value that `clients/dashboard/src/shared/styles/app.css` gives it (a test
compares the two files). Never does: know a toolkit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final


class Theme(StrEnum):
    """Which set of colours is shown."""

    LIGHT = "light"
    DARK = "dark"


class Tone(StrEnum):
    """What a state means; each has a colour and, for eyes that tell colours apart badly, a shape of its own."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    MUTE = "mute"


@dataclass(frozen=True, slots=True)
class Oklch:
    """A colour by lightness (0 to 1), chroma and hue (degrees)."""

    lightness: float
    chroma: float
    hue: float

    def hex(self) -> str:
        """Return the nearest sRGB colour as `#rrggbb`."""
        angle = math.radians(self.hue)
        a, b = self.chroma * math.cos(angle), self.chroma * math.sin(angle)
        # Björn Ottosson's matrices: OKLab to cone responses, cubed, to linear sRGB.
        long = (self.lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (self.lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (self.lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        return "#" + "".join(f"{round(_gamma(channel) * 255):02x}" for channel in linear)


def _gamma(linear: float) -> float:
    bounded = min(1.0, max(0.0, linear))
    return 12.92 * bounded if bounded <= 0.0031308 else 1.055 * bounded ** (1 / 2.4) - 0.055


@dataclass(frozen=True, slots=True)
class Colours:
    """Every colour of one theme, as `#rrggbb`."""

    ground: str
    surface: str
    raised: str
    sunken: str
    line: str
    line_strong: str
    ink: str
    ink_soft: str
    ink_faint: str
    accent: str
    accent_strong: str
    accent_ink: str
    accent_soft: str
    ok: str
    ok_soft: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    info: str
    info_soft: str
    mute: str
    mute_soft: str

    def of(self, tone: Tone) -> str:
        """Return the colour of a tone's shape and word."""
        return str(getattr(self, tone.value))

    def ground_of(self, tone: Tone) -> str:
        """Return the colour behind a tone's shape and word."""
        return str(getattr(self, f"{tone.value}_soft"))


OKLCH: Final[dict[Theme, dict[str, tuple[float, float, float]]]] = {
    Theme.LIGHT: {
        "ground": (0.972, 0.004, 240),
        "surface": (1, 0, 0),
        "raised": (1, 0, 0),
        "sunken": (0.95, 0.006, 240),
        "line": (0.9, 0.008, 240),
        "line_strong": (0.62, 0.018, 240),
        "ink": (0.24, 0.02, 250),
        "ink_soft": (0.44, 0.02, 250),
        "ink_faint": (0.52, 0.018, 250),
        "accent": (0.5, 0.125, 243),
        "accent_strong": (0.44, 0.125, 243),
        "accent_ink": (1, 0, 0),
        "accent_soft": (0.945, 0.03, 243),
        "ok": (0.5, 0.105, 168),
        "ok_soft": (0.95, 0.035, 168),
        "warn": (0.53, 0.115, 68),
        "warn_soft": (0.955, 0.05, 80),
        "bad": (0.53, 0.19, 27),
        "bad_soft": (0.955, 0.025, 27),
        "info": (0.52, 0.11, 255),
        "info_soft": (0.95, 0.025, 255),
        "mute": (0.52, 0.015, 250),
        "mute_soft": (0.935, 0.006, 250),
    },
    Theme.DARK: {
        "ground": (0.175, 0.014, 250),
        "surface": (0.215, 0.016, 250),
        "raised": (0.255, 0.018, 250),
        "sunken": (0.15, 0.013, 250),
        "line": (0.3, 0.018, 250),
        "line_strong": (0.52, 0.02, 250),
        "ink": (0.955, 0.006, 250),
        "ink_soft": (0.78, 0.014, 250),
        "ink_faint": (0.67, 0.016, 250),
        "accent": (0.76, 0.115, 235),
        "accent_strong": (0.82, 0.1, 235),
        "accent_ink": (0.2, 0.03, 250),
        "accent_soft": (0.3, 0.05, 240),
        "ok": (0.79, 0.125, 168),
        "ok_soft": (0.28, 0.045, 168),
        "warn": (0.82, 0.135, 80),
        "warn_soft": (0.29, 0.05, 75),
        "bad": (0.74, 0.155, 25),
        "bad_soft": (0.285, 0.07, 25),
        "info": (0.77, 0.1, 250),
        "info_soft": (0.285, 0.05, 255),
        "mute": (0.7, 0.014, 250),
        "mute_soft": (0.28, 0.012, 250),
    },
}


def _colours(theme: Theme) -> Colours:
    values = OKLCH[theme]
    return Colours(**{field.name: Oklch(*values[field.name]).hex() for field in fields(Colours)})


COLOURS: Final[dict[Theme, Colours]] = {theme: _colours(theme) for theme in Theme}

RADIUS: Final = 6
RADIUS_CARD: Final = 10
CONTROL_HEIGHT: Final = 34
"""Height of buttons and fields in device-independent pixels."""
PAD: Final = 16
GAP: Final = 12
SCROLL_BAR: Final = 12
"""Width of a scroll bar, which lies in the room beside what it scrolls."""
TEXT: Final = 13
TEXT_SMALL: Final = 12
TEXT_LARGE: Final = 16
TEXT_TITLE: Final = 20
TEXT_VALUE: Final = 56
"""Sizes of type in device-independent pixels."""
FAMILIES: Final = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "Liberation Sans", "DejaVu Sans")
MONOSPACE: Final = ("JetBrains Mono", "Cascadia Mono", "SF Mono", "Liberation Mono", "DejaVu Sans Mono")
