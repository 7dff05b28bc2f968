"""The style sheet, checked without a browser: contrast of every pair of colours that meet, in both themes."""

import re
from pathlib import Path

import pytest

import orloop_board

STATIC = Path(orloop_board.__file__).parent / "static"
CSS = (STATIC / "board.css").read_text()
SCRIPT = (STATIC / "board.js").read_text()
ENOUGH = 4.5  # WCAG 2.2 AA for text

TEXT_ON = {
    "ink": ("paper", "surface", "tint", "so-far", "wash", "overrun-wash", "overrun-so-far", "down-wash"),
    "muted": ("paper", "surface", "wash"),
    "faint": ("surface",),
    "action": ("surface", "wash"),
    "action-ink": ("action",),
    "overrun": ("surface", "wash", "paper"),
    "down-ink": ("down",),
    "done-ink": ("done",),
    "add-on": ("surface",),
    "clean": ("surface",),
    "setup": ("surface",),
    "good": ("surface", "wash"),
    "warm": ("deep",),
    "pale": ("deep",),
    "surface": ("ink",),
}


def colours(theme: str) -> dict[str, str]:
    start = ":root {" if theme == "day" else ':root[data-theme="night"] {'
    block = CSS[CSS.index(start) :].split("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["day", "night"])
@pytest.mark.parametrize(("text", "ground"), [(t, g) for t, grounds in TEXT_ON.items() for g in grounds])
def test_text_can_be_read_on_every_ground_it_stands_on(theme, text, ground):
    known = colours(theme)
    assert contrast(known[text], known[ground]) >= ENOUGH, (text, known[text], ground, known[ground])


def test_the_night_that_the_system_asks_for_is_the_night_of_the_button():
    asked = CSS[CSS.index("@media (prefers-color-scheme: dark)") :].split("}")[0]
    assert dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", asked)) == colours("night")


def test_style_and_script_ask_nobody_else_for_anything():
    assert "http" not in CSS
    assert "http" not in SCRIPT
    assert "@import" not in CSS


def test_script_and_style_stay_small():
    assert len(SCRIPT.splitlines()) < 320
    assert len(SCRIPT) + len(CSS) < 50_000
