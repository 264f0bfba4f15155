"""A drawing within a page: its ids, its colours, and nothing of its own document."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from nnexp.plotting import layout
from nnexp.reports.inline_svg import inline_svg, theme, with_classes

SVG = (
    '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" width="40pt" height="20pt" viewBox="0 0 40 20">'
    "<metadata>who and when</metadata><defs>\n"
    '  <style type="text/css">*{stroke-linejoin: round}</style>\n </defs>'
    '<g id="axes"><use xlink:href="#mark"/><path clip-path="url(#clip)"/></g></svg>'
)


def test_a_drawing_keeps_its_ids_and_rules_to_itself():
    assert inline_svg(SVG, "fig", 'a "b"') == (
        '<svg viewBox="0 0 40 20" stroke-linejoin="round" id="fig" role="img" '
        'aria-label="a &quot;b&quot;" fill="var(--000000)">'
        '<g id="fig-axes"><use href="#fig-mark"/>'
        '<path clip-path="url(#fig-clip)"/></g></svg>'
    )


def test_a_drawing_is_dark_on_a_dark_page_and_words_on_a_cell_are_as_they_were():
    style = 'style="fill: #0072b2; stroke: #ffffff; opacity: 0.5"'
    cell = '<path style="fill: #eef5fc"/><text style="fill: #101010"/>'
    page = str(inline_svg(f'<svg viewBox="0 0 9 9"><path {style}/>{cell}</svg>', "fig", "alt"))
    assert '<path fill="var(--0072b2)" stroke="var(--ffffff)" opacity="0.5"/>' in page
    assert '<path fill="#eef5fc"/><text fill="#101010"/>' in page
    assert theme([page]) == (
        ":root{--000000:#000000;--0072b2:#0072b2;--ffffff:#ffffff;}"
        "@media screen and (prefers-color-scheme:dark)"
        "{:root{--000000:#e7eaee;--0072b2:#3d9be9;--ffffff:#1d2127;}}"
    )
    hatched = str(inline_svg('<svg><pattern><rect fill="#ffffff"/></pattern></svg>', "h", "alt"))
    assert '<rect fill="var(--ffffff)"/>' in hatched


def test_every_reference_to_an_element_follows_its_new_id():
    style = 'style="fill: url(#hatch); clip-path: url(#cut)"'
    drawing = f'<svg><pattern id="hatch"/><clipPath id="cut"/><path {style}/></svg>'
    page = inline_svg(drawing, "fig", "alt")
    assert '<pattern id="fig-hatch"/><clipPath id="fig-cut"/>' in page
    assert '<path fill="url(#fig-hatch)" clip-path="url(#fig-cut)"/>' in page
    image = '<image href="data:image/png;base64,\niVBO\nRw0K"/>'
    assert '<image href="data:image/png;base64,iVBORw0K"/>' in inline_svg(
        f"<svg>{image}</svg>", "fig", "alt"
    )


def test_a_name_of_any_characters_is_drawn():
    figure = Figure()
    figure.text(0, 0, "a\0\x1b\ufffe--><b>&\x85")
    page = inline_svg(layout.svg(figure).decode(), "fig", "alt")
    assert "<b>" not in page


def test_a_value_that_is_given_twice_is_the_last_as_in_a_style():
    image = '<image style="image-rendering:crisp-edges;image-rendering:pixelated"/>'
    assert '<image image-rendering="pixelated"/>' in inline_svg(f"<svg>{image}</svg>", "i", "alt")


LINES = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><g id="a">
<path d="M 0 0" style="fill: none; stroke: #0072b2; stroke-width: 2"/>
<path d="M 1 1" style="fill: none; stroke: #0072b2; stroke-width: 2"/>
<path d="M 2 2" style="fill: #ff0000"/>
<text x="1" style="font-size: 9.5px; text-anchor: end" fill="red">a = "b"; fill="x"</text>
</g></svg>"""


def test_a_look_that_occurs_again_becomes_a_class() -> None:
    drawn = [inline_svg(LINES, name, "lines") for name in ("one", "two")]
    named, rules = with_classes(drawn)
    looks = dict(re.findall(r"\.(s\d+)\{([^}]*)\}", rules))
    for before, after in zip(drawn, named, strict=True):
        assert len(after) < len(before)
        assert re.findall(r"<svg[^>]*>|>[^<]*<", before) == re.findall(r"<svg[^>]*>|>[^<]*<", after)
        classes = re.findall(r'<(?:path|text)[^>]* class="(s\d+)"', after)
        assert [looks[name] for name in classes][:3] == [
            *["fill:none;stroke:var(--0072b2);stroke-width:2"] * 2,
            "fill:#ff0000",
        ]
        assert after.count("class=") == len(classes)
    assert "--0072b2:" in theme([rules])


def test_a_look_that_occurs_once_stays_as_it_is() -> None:
    (named,), rules = with_classes([inline_svg(LINES, "one", "lines")])
    assert 'd="M 2 2" fill="#ff0000"' in named
    assert rules.count("{") == 1
