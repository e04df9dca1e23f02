"""XML in and out.

REST: "List Blobs": since 2021-02-12 a name with characters that XML cannot carry comes percent-encoded, with
`Encoded="true"`. Carriage returns are written as character references, since parsers would change them.
"""

from __future__ import annotations

import re
from urllib.parse import quote
from xml.etree import ElementTree

from sandbox.storage.errors import AzureError

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SPECIAL = re.compile('[&<>\r"]')
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;", '"': "&quot;"}


def escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: _REFERENCES[match[0]], text) if _SPECIAL.search(text) else text


def named(tag: str, name: str) -> str:
    """A name element, encoded where it must be."""
    if _UNFIT.search(name):
        return f'<{tag} Encoded="true">{quote(name, safe="")}</{tag}>'
    return f"<{tag}>{escaped(name)}</{tag}>"


def element(tag: str, value: str) -> str:
    return f"<{tag}>{escaped(value)}</{tag}>"


def parsed(body: bytes, root: str) -> ElementTree.Element:
    """The document, whose root must be `root`.

    Raises:
        AzureError: 400 InvalidXmlDocument.
    """
    try:
        document = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise AzureError("InvalidXmlDocument") from None
    if document.tag != root:
        raise AzureError("InvalidXmlDocument")
    return document


def child_text(parent: ElementTree.Element, path: str) -> str:
    """Text of a child element, "" where there is none."""
    return (parent.findtext(path) or "").strip()
