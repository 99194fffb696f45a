"""Safe XML: no entities, no network, no external files, bounded depth. Knows no vocabulary.

Source: libxml2's limits (depth 256, 10 MB a text node) apply because `huge_tree` stays off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from samovar.errors import ExtractionError

Element = Any
"""An lxml element; lxml ships no types."""

_ENTITY = re.compile(rb"<\s*!\s*ENTITY|<\0!\0E\0N\0T\0I\0T\0Y\0|\0<\0!\0E\0N\0T\0I\0T\0Y")


def parse_xml(data: bytes, what: str) -> tuple[Element, bool]:
    """Parse XML and return (root, whole); `whole` is False when the file was broken and only a part could be recovered.

    Raises:
        ExtractionError: ``xml_entities`` when the document defines entities (no document of ours has a reason to),
            ``damaged`` when nothing can be recovered.
    """
    from lxml import etree

    if _ENTITY.search(data):
        raise ExtractionError("xml_entities", f"{what} defines XML entities: refused, they can expand without bound")
    options: dict[str, bool] = {
        "resolve_entities": False,
        "no_network": True,
        "load_dtd": False,
        "dtd_validation": False,
        "huge_tree": False,
        "remove_comments": True,
        "remove_pis": True,
    }
    try:
        return etree.fromstring(data, etree.XMLParser(**options)), True
    except (etree.XMLSyntaxError, ValueError) as error:
        root = _recover(data, options)
        if root is None:
            raise ExtractionError("damaged", f"{what} is not XML: {error}", str(error)) from error
        return root, False


def _recover(data: bytes, options: dict[str, bool]) -> Element | None:
    from lxml import etree

    try:
        return etree.fromstring(data, etree.XMLParser(recover=True, **options))
    except (etree.XMLSyntaxError, ValueError):
        return None


def local_name(element: Element) -> str:
    """Return the tag without its namespace; ``""`` for entity references and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """Return an attribute by its name without namespace."""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return ""


def find_all(element: Element, name: str) -> Iterator[Element]:
    """Yield descendants with this local name, in any namespace."""
    return iter(element.iter("{*}" + name))


def find_nearest(element: Element, name: str, *, stop: str) -> Iterator[Element]:
    """Yield the topmost descendants with this local name, not looking into them nor into elements named `stop`.

    A table's own rows, not those of tables inside it: looking at those twice a level is exponential in the nesting.
    """
    for child in element:
        found = local_name(child)
        if found == name:
            yield child
        elif found != stop:
            yield from find_nearest(child, name, stop=stop)


def first_text(element: Element | None, *names: str) -> str:
    """Return the text of the first descendant that has one of the names, tried in order; ``""`` when none has text."""
    for name in names if element is not None else ():
        for found in find_all(element, name):
            if text := " ".join("".join(found.itertext()).split()):
                return text
    return ""
