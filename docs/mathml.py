"""Formulas as MathML when the pages are built: a page needs no script and no network."""

import html
import re

from latex2mathml.converter import convert

# What arithmatex leaves of $...$ and $$...$$.
FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<latex>.*?)\\[)\]]</(?P=tag)>',
    re.DOTALL,
)


def _mathml(formula: re.Match[str]) -> str:
    latex = html.unescape(formula["latex"]).strip()
    if formula["open"] == "(":
        return convert(latex)
    # A long formula moves in a box of its own, not the whole page with it.
    return f'<div class="formula">{convert(latex, display="block")}</div>'


def on_page_content(content: str, **_: object) -> str:
    """Replace each formula of a rendered page (called by mkdocs)."""
    return FORMULA.sub(_mathml, content)
