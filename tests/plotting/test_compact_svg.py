"""Drawings in fewer bytes: what is left out, and that the picture is the same."""

from __future__ import annotations

import re
from xml.etree import ElementTree

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
        '<path d="M 1.23 0 L 2 4" clip-path="url(#i0)" style="stroke:#000;fill:url(#i1)"/>'
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
