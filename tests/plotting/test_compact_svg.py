"""Drawings in fewer bytes: what is left out, and that the picture is the same."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from nnexp.analysis.arms import compare
from nnexp.plotting import layout
from nnexp.plotting.compact_svg import compact
from nnexp.plotting.sweep_figures import pictures
from tests.synthetic import grid, make_tables

DRAWN = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" \
viewBox="0 0 10 10">
 <metadata>who and when</metadata>
 <g id="axes_1"><g id="line_1">
  <path d="M 1.23456 -0.001
L 2 3.999 " clip-path="url(#clip)" style="stroke: #000; fill: url(#hatch)"/>
 </g></g>
 <defs><path id="mark" d="M 0 0"/><clipPath id="clip"><path d="M 0 0"/></clipPath>
 <pattern id="hatch"/></defs>
 <g fill="red"><use xlink:href="#mark" x="1.005" y="2.50000"/></g>
 <text transform="rotate(-90 1.23456 7)" x="1">a  b</text>
 <path transform="scale(0.015625)" d="M 1 1"/>
</svg>"""


def test_what_nothing_refers_to_is_left_out_and_places_are_rounded() -> None:
    assert compact(DRAWN).decode() == (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'viewBox="0 0 10 10">'
        '<path d="M1.23 0l.77 4" clip-path="url(#i0)" style="stroke:#000;fill:url(#i1)"/>'
        '<defs><path id="i2" d="M 0 0"/><clipPath id="i0"><path d="M 0 0"/></clipPath>'
        '<pattern id="i1"/></defs>'
        '<g fill="red"><use xlink:href="#i2" x="1" y="2.5"/></g>'
        '<text transform="rotate(-90 1.23 7)" x="1">a  b</text>'
        '<path transform="scale(0.015625)" d="M 1 1"/>'
        "</svg>\n"
    )


def test_what_a_page_reads_keeps_its_name() -> None:
    marked = DRAWN.replace(b'"line_1"', b'"mark-0"').replace(b'"axes_1"', b'"axes-0"')
    drawn = compact(marked).decode()
    assert '<g id="axes-0"><g id="mark-0"><path d=' in drawn
    assert compact(drawn.encode()) == drawn.encode()


@pytest.mark.parametrize(
    ("path", "shorter"),
    [
        ("M 10 20 L 10.5 19.25 L 12 19.25 z", "M10 20l.5-.75 1.5 0z"),
        ("M 0.004 -0.5 L 0.104 -0.25 M 3 4 L 2.999 4", "M0-.5l.1 .25M3 4l0 0"),
        ("M 0 0 C 1 1 2 2 3.001 3", "M 0 0 C 1 1 2 2 3 3"),
        ("M 1 2", "M 1 2"),
    ],
)
def test_lines_are_relative_and_curves_are_as_they_were(path: str, shorter: str) -> None:
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}"/></svg>'
    assert f'd="{shorter}"' in compact(drawing.encode()).decode()


def test_markers_share_their_style_and_ticks_their_group() -> None:
    use = '<use x="1" y="2" style="fill: {colour}"/>'
    red, blue = use.format(colour="red"), use.format(colour="blue")
    ticks = "".join(f'<g id="xtick_{n}"><path d="M 0 {n}"/></g>' for n in (1, 2))
    drawing = f"""<svg xmlns="http://www.w3.org/2000/svg"><g id="mark-0">{red}{red}</g>
<g id="mark-1">{red}{blue}</g><g id="matplotlib.axis_1">{ticks}<text>epochs</text></g></svg>"""
    drawn = compact(drawing.encode()).decode()
    assert '<g id="mark-0" style="fill:red"><use x="1" y="2"/><use x="1" y="2"/></g>' in drawn
    assert '<g id="mark-1"><use x="1" y="2" style="fill:red"/>' in drawn
    assert '<g id="xtick_1"><path d="M 0 1"/><path d="M 0 2"/></g><text>epochs</text>' in drawn


def test_a_figure_keeps_all_that_is_drawn_in_fewer_bytes() -> None:
    (picture,) = pictures(compare(*make_tables(grid(init=["he", "zero"]), range(3))), ["loss"])
    before = layout.svg(picture.figure)
    after = compact(before)
    assert len(after) < 0.8 * len(before)
    drawn = [
        [element.tag for element in ElementTree.fromstring(svg).iter() if element.tag[-2:] != "}g"]
        for svg in (re.sub(rb"<metadata>.*?</metadata>", b"", before, flags=re.DOTALL), after)
    ]
    assert drawn[0] == drawn[1]
    assert compact(after) == after
