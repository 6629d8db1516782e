"""Draws the layers of the package, from the contract that import-linter checks.

    python -m tests.docs.layers_picture

writes `docs/pictures/layers.svg`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

__all__ = ["PICTURE", "draw_layers"]

_ROOT = Path(__file__).parents[2]
PICTURE = _ROOT / "docs" / "pictures" / "layers.svg"

_WIDTH, _LEFT, _ROW, _BOX, _GAP = 720, 40, 46, 34, 8
"""Sizes in pixels: the picture, the arrow's margin, the height of a layer and of a box, a gap."""

_STYLE = """
text { font: 15px sans-serif; fill: #24292f; text-anchor: middle; dominant-baseline: central }
rect { fill: #eef2f4; stroke: #8fa3ad }
path { stroke: #57707c; fill: none; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #dde3e6 }
  rect { fill: #26323a; stroke: #57707c }
  path { stroke: #8fa3ad }
}
"""


def draw_layers() -> str:
    """Return the picture as SVG: the highest layer first, the modules of a layer side by side."""
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = settings["tool"]["importlinter"]["contracts"]
    layers = [layer.split(" | ") for layer in contract["layers"]]
    height = len(layers) * _ROW + _GAP
    boxes = "\n".join(line for row, names in enumerate(layers) for line in _boxes(row, names))
    tip = height - _GAP - 2
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">
<title>The layers of logflume: each may import from those below it</title>
<style>{_STYLE}</style>
<path d="M 18 {_GAP} V {tip} m -6 -9 l 6 9 l 6 -9"/>
<text transform="translate(7 {height // 2}) rotate(-90)" style="font-size: 13px">imports</text>
{boxes}
</svg>
"""


def _boxes(row: int, names: list[str]) -> Iterator[str]:
    """Yield the boxes of one layer."""
    width = (_WIDTH - _LEFT - _GAP * len(names)) / len(names)
    y = _GAP + row * _ROW
    for column, name in enumerate(names):
        x = _LEFT + column * (width + _GAP)
        yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BOX}" rx="5"/>'
        yield f'<text x="{x + width / 2:.1f}" y="{y + _BOX // 2}">{escape(name)}</text>'


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw_layers(), encoding="utf-8")
