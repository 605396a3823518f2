"""HTML and SVG as trees of elements: text that is put into one is escaped when it is written, whatever it holds."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from raise_agent.text import well_formed

Part = Element | str | None
"""None is left out."""


def el(tag: str, *parts: Part | Iterable[Part], **attributes: object) -> Element:
    """An element with these parts in it.

    Args:
        tag: its name.
        parts: what it holds; texts and elements, or sequences of them.
        attributes: ``_`` stands for ``-``, one at the end is dropped (``class_``); True gives the bare name, None and
            False leave it out, a float is written with at most two digits.

    >>> written(el("p", "a < b", el("br"), class_="note"))
    '<p class="note">a &lt; b<br></p>'
    """
    made = Element(tag)
    for key, value in attributes.items():
        if value is not None and value is not False:
            name = key.rstrip("_").replace("_", "-")
            made.set(name, "" if value is True else _plain(value))
    for part in parts:
        for one in [part] if part is None or isinstance(part, (str, Element)) else part:
            _append(made, one)
    return made


def _append(parent: Element, part: Part) -> None:
    if isinstance(part, Element):
        parent.append(part)
    elif part:
        text = _plain(part)
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + text
        else:
            parent.text = (parent.text or "") + text


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return well_formed(str(value))


def written(*elements: Element) -> str:
    """Elements as HTML."""
    return "".join(tostring(element, encoding="unicode", method="html") for element in elements)


def escaped(text: str) -> str:
    """Text as it stands between tags or in a quoted attribute.

    >>> escaped('<b class="x">')
    '&lt;b class=&quot;x&quot;&gt;'
    """
    return html.escape(well_formed(text))


def table(
    header: Sequence[Part],
    rows: Sequence[Sequence[Part]],
    *,
    caption: str | None = None,
    left: int = 1,
    class_: str | None = None,
) -> Element:
    """A table whose first column names the rows; it scrolls by itself where the page is narrow.

    Args:
        header: of each column.
        rows: cells; a ``td`` or ``th`` that is made already is taken as it is.
        caption: read out before it, and not shown.
        left: columns that stand to the left, the others to the right.
        class_: of the table.
    """
    made = el("table", class_=class_)
    if caption is not None:
        made.append(el("caption", caption, class_="unseen"))
    head = SubElement(SubElement(made, "thead"), "tr")
    for place, cell in enumerate(header):
        head.append(el("th", cell, scope="col", class_=None if place < left else "n"))
    body = SubElement(made, "tbody")
    for row in rows:
        line = SubElement(body, "tr")
        for place, cell in enumerate(row):
            if isinstance(cell, Element) and cell.tag in ("td", "th"):
                line.append(cell)
            elif place == 0:
                line.append(el("th", cell, scope="row"))
            else:
                line.append(el("td", cell, class_=None if place < left else "n"))
    return scrolling(made, caption or "table")


def scrolling(inner: Element, label: str) -> Element:
    """A part that is scrolled sideways by itself, also by keyboard."""
    return el("div", inner, class_="scroll", role="region", aria_label=label, tabindex="0")


def figure(picture: Element | Sequence[Element], caption: Part | Sequence[Part], name: str, behind: Element) -> Element:
    """A picture with what it says, and the table behind it.

    Args:
        picture: drawn.
        caption: what it shows and how to read it.
        name: id, unique on the page.
        behind: the same numbers.
    """
    pictures = [picture] if isinstance(picture, Element) else list(picture)
    return el(
        "figure",
        pictures,
        el("figcaption", caption, id=f"{name}-caption"),
        el("details", el("summary", "As a table"), behind),
        id=name,
        aria_labelledby=f"{name}-caption",
    )
