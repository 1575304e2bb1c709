"""The window and the dashboard look alike, and everything can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulse_desktop.theme.tokens import COLOURS, OKLCH, Theme, Tone

SHEET = Path(__file__).parents[4] / "dashboard" / "src" / "shared" / "styles" / "app.css"
TOKEN = re.compile(r"--([a-z-]+): oklch\(([\d.]+) ([\d.]+) ([\d.]+)\);")


def of_dashboard(theme: Theme) -> dict[str, tuple[float, float, float]]:
    text = SHEET.read_text(encoding="utf-8")
    begin = text.index(":root {" if theme is Theme.LIGHT else ':root[data-theme="dark"] {')
    block = text[begin : text.index("\n}", begin)]
    return {name.replace("-", "_"): (float(a), float(b), float(c)) for name, a, b, c in TOKEN.findall(block)}


def luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", Theme)
def test_every_colour_is_the_dashboards(theme: Theme) -> None:
    dashboard = of_dashboard(theme)
    assert {name: tuple(map(float, value)) for name, value in OKLCH[theme].items()} == {
        name: dashboard[name] for name in OKLCH[theme]
    }


@pytest.mark.parametrize("theme", Theme)
def test_text_and_states_have_contrast_enough(theme: Theme) -> None:
    colours = COLOURS[theme]
    for ground in (colours.ground, colours.surface, colours.sunken):
        assert contrast(colours.ink, ground) >= 7
        assert contrast(colours.ink_soft, ground) >= 4.5
        assert contrast(colours.ink_faint, ground) >= 4.5
    for tone in Tone:
        assert contrast(colours.of(tone), colours.ground_of(tone)) >= 4.5, tone
        assert contrast(colours.of(tone), colours.surface) >= 4.5, tone
    assert contrast(colours.accent_ink, colours.accent) >= 4.5


def test_white_and_black_are_converted_exactly() -> None:
    assert COLOURS[Theme.LIGHT].surface == "#ffffff"
    assert COLOURS[Theme.LIGHT].accent_ink == "#ffffff"
