"""Blob names that are legal in Azure and hard on software.

Rules: 1 to 1,024 characters, at most 254 path segments, any URL character if escaped (REST: Naming and Referencing
Containers, Blobs, and Metadata). Names ending in a dot or slash are advised against there but exist in real accounts.
A backslash is left out, because the service turns it into a slash, and so are the segments `.` and `..`.
"""

from __future__ import annotations

LONGEST = 1024

ODD_NAMES: tuple[str, ...] = (
    "spaces in the name.txt",
    " leading space.txt",
    "trailing space ",
    "100%.txt",
    "a%20b.txt",
    "%2Fnot-a-slash.txt",
    "%",
    "a+b.txt",
    "a b+c%2B d.txt",
    "what?.txt",
    "query?comp=list&restype=container",
    "section #4.txt",
    "fish&chips.txt",
    "key=value;other=1.txt",
    "comma,colon:at@dollar$star*pipe|caret^tilde~.txt",
    "[brackets]{braces}(parens).txt",
    "<xml>&amp;<!--.txt",
    'it\'s "quoted".txt',
    "ends with a dot.",
    "ends with dots...",
    "folder.with.dot./inside.txt",
    "a//b",
    "a///b//c",
    "/leading-slash.txt",
    "folder-marker/",
    "Case.TXT",
    "case.txt",
    "CASE.txt",
    "caf\u00e9 (NFC).txt",
    "cafe\u0301 (NFC).txt",
    "\u00dcberf\u00fchrung/Stra\u00dfe.txt",
    "\u65e5\u672c\u8a9e/\u8a18\u9332.txt",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629.txt",
    "\u05e9\u05dc\u05d5\u05dd/\u05e2\u05d5\u05dc\u05dd.txt",
    "\U0001f3db\ufe0f courthouse \U0001f9d1\u200d\u2696\ufe0f.txt",
    "\U0001f600",
    "\uffe6 sorts after the emoji in UTF-16, before it in UTF-8",
    "\u200bzero-width.txt",
    "\u202ertl-override.txt",
    "\u00a0no-break space.txt",
    "!",
    "!first of all",
    "~",
    "~~~last of ascii",
    "0",
    "-",
    "--option=like",
    "*.txt",
    "CON",
    "NUL.txt",
    "$logs/not-really.log",
    "null",
    "'; DROP TABLE permits; --",
    '=HYPERLINK("https://example.invalid";"click")',
    "..hidden",
    "...",
    "x" * 255,
    "\u6587" * 250,
    "long/" + "n" * (LONGEST - 5),
    "/".join(f"d{level:02d}" for level in range(99)) + "/leaf.txt",
    "/".join("s" for _ in range(250)) + "/leaf",
)
"""Each stands alone in one container; order of listing is part of the test."""


def problems(name: str) -> str:
    """Why Azure would refuse or change `name`; "" if it would not."""
    if not 1 <= len(name.encode("utf-16-le")) // 2 <= LONGEST:
        return "not 1 to 1,024 characters"
    if len(name.split("/")) > 254:
        return "more than 254 path segments"
    if any(segment in (".", "..") for segment in name.split("/")):
        return "a segment that clients normalise away"
    if "\\" in name:
        return "a backslash, which the service turns into a slash"
    if any(ord(char) < 0x20 or char in "\x7f\ufffe\uffff" for char in name):
        return "a control character"
    return ""
