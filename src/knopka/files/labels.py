"""The names that senders give to files: shown, and never a part of a path (S-IN-12)."""

from __future__ import annotations

import re
import unicodedata

from knopka.domain.text import clean_name

MOST_LABEL = 255
_EXTENSION = re.compile(r"\.([0-9a-z]{0,8}[a-z][0-9a-z]{0,8})$", re.IGNORECASE)


def clean_label(name: str) -> str:
    """The last part of a given name: one line, nothing invisible, with its extension when it was too long."""
    label = clean_name(re.split(r"[/\\]", name)[-1])
    if len(label) <= MOST_LABEL:
        return label
    end = _EXTENSION.search(label)
    extension = end[0] if end else ""
    stem = label[: MOST_LABEL - len(extension)]
    while stem and unicodedata.combining(label[len(stem)]):
        stem = stem[:-1]  # never between a letter and its marks
    return stem + extension


def extension_of(label: str) -> str:
    """What stands after the last point, in lower case; empty for a number."""
    found = _EXTENSION.search(label)
    return found[1].lower() if found else ""
