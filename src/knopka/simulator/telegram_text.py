"""Telegram's formatted text: parse modes turned into entities, as the Bot API's "Formatting options" say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

MAX_TEXT = 4096
HTML_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre",
    "a": "text_link", "blockquote": "blockquote", "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
MARKS = {"*": "bold", "_": "italic", "__": "underline", "~": "strikethrough", "||": "spoiler", "`": "code"}
RESERVED = "_*[]()~`>#+-=|{}.!"
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)([^<>]*)>")
_HREF = re.compile(r"""href\s*=\s*["']?([^"'\s>]*)""")


class BadText(Exception):
    """The text cannot be read in its parse mode; the words are the platform's."""


@dataclass(slots=True)
class _Builder:
    text: str = ""
    entities: list[dict[str, Any]] = field(default_factory=list)
    open: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)

    def at(self) -> int:
        return utf16_length(self.text)

    def begin(self, mark: str, kind: str, **more: str) -> None:
        self.open.append((mark, self.at(), {"type": kind, **more}))

    def end(self) -> None:
        _, offset, entity = self.open.pop()
        length = self.at() - offset
        if length:
            self.entities.append({**entity, "offset": offset, "length": length})


def utf16_length(text: str) -> int:
    """Entities count in UTF-16 units (Bot API, MessageEntity)."""
    return len(text.encode("utf-16-le")) // 2


def parse_text(text: str, mode: str) -> tuple[str, list[dict[str, Any]]]:
    """The text that is shown, and its entities; raises BadText."""
    match mode.lower():
        case "":
            return text, find_commands(text)
        case "html":
            return _parse_html(text)
        case "markdownv2":
            return _parse_markdown(text)
        case "markdown":
            return _parse_markdown(text, strict=False)
        case _:
            raise BadText("unsupported parse_mode")


def find_commands(text: str) -> list[dict[str, Any]]:
    """The command at the start of a text, as the server itself finds it."""
    found = re.match(r"/[A-Za-z0-9_]{1,32}(@\w+)?", text)
    return [] if found is None else [{"type": "bot_command", "offset": 0, "length": len(found[0])}]


def _parse_html(text: str) -> tuple[str, list[dict[str, Any]]]:
    made = _Builder()
    at = 0
    for tag in _TAG.finditer(text):
        made.text += unescape(text[at : tag.start()])
        at = tag.end()
        closing, name, rest = tag[1] == "/", tag[2].lower(), tag[3]
        if name not in HTML_TAGS:
            raise BadText(f'Unsupported start tag "{name}" at byte offset {_bytes(text, tag.start())}')
        if not closing:
            href = _HREF.search(rest)
            more = {"url": unescape(href[1])} if name == "a" and href else {}
            made.begin(name, HTML_TAGS[name], **more)
        elif not made.open or made.open[-1][0] != name:
            raise BadText(f"Unexpected end tag at byte offset {_bytes(text, tag.start())}")
        else:
            made.end()
    rest = text[at:]
    if "<" in rest:
        where = _bytes(text, at + rest.index("<"))
        raise BadText(f"Unsupported start tag at byte offset {where}")
    made.text += unescape(rest)
    if made.open:
        raise BadText(f'Can\'t find end tag corresponding to start tag "{made.open[-1][0]}"')
    return made.text, made.entities


def _parse_markdown(text: str, *, strict: bool = True) -> tuple[str, list[dict[str, Any]]]:
    made = _Builder()
    at = 0
    while at < len(text):
        mark = next((one for one in ("__", "||", *"*_~`") if text.startswith(one, at)), "")
        if text[at] == "\\" and at + 1 < len(text):
            made.text += text[at + 1]
            at += 2
        elif mark and (strict or mark in "*_`"):
            if made.open and made.open[-1][0] == mark:
                made.end()
            else:
                made.begin(mark, MARKS[mark])
            at += len(mark)
        elif link := re.compile(r"\[([^\[\]]*)\]\(([^()]*)\)").match(text, at):
            made.begin("[", "text_link", url=link[2])
            made.text += link[1]
            made.end()
            at = link.end()
        elif strict and text[at] in RESERVED:
            raise BadText(f"Character '{text[at]}' is reserved and must be escaped with the preceding '\\'")
        else:
            made.text += text[at]
            at += 1
    if made.open:
        offset = _bytes(text, text.rindex(made.open[-1][0]))
        raise BadText(f"Can't find end of {made.open[-1][2]['type']} entity at byte offset {offset}")
    return made.text, made.entities


def _bytes(text: str, at: int) -> int:
    return len(text[:at].encode())
