"""What a site owner pastes into a page: our snippet, and what an amoCRM snippet says of its button."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape

from knopka.domain.errors import Fault, InvalidInput

# The object and the command stand before the script arrives, so nothing that the page calls is lost:
# setMeta collects in `params`, commands in `q`, both in order, and the loader drains them.
_SNIPPET = """\
<script>
(function (page, object, command, button) {{
  page[object] = Object.assign(button, {{
    setMeta: function (params) {{ button.params = (button.params || []).concat([params]); }}
  }});
  page[command] = page[command] || function () {{
    (page[command].q = page[command].q || []).push(arguments);
  }};
  var script = page.document.createElement("script");
  script.async = true;
  script.id = object + "_script";
  script.src = {src};
  page.document.head.appendChild(script);
}})(window, "amo_social_button", "amoSocialButton", {button});
</script>"""

_HASH = re.compile(r"""\bhash["']?\s*:\s*(?:"([^"]*)"|'([^']*)'|`([^`]*)`)""")
_KEY = r"""(?<![\w$.]){name}["']?\s*:\s*(?:"([^"]*)"|'([^']*)'|`([^`]*)`|(true|false|!0|!1|\d+))"""
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}\Z")
_HASH_SHAPE = re.compile(r"[0-9A-Za-z_-]{16,128}\Z")
_LOCALE = re.compile(r"[a-z]{2}(?:[-_][A-Za-z]{2,4})?\Z")


@dataclass(frozen=True, slots=True)
class FoundButton:
    """The button that a snippet speaks of; every generation of amoCRM's and Kommo's names these."""

    public_id: str
    hash: str
    locale: str
    inline: bool


def render_snippet(base_url: str, public_id: str, hash_: str, locale: str, *, inline: bool) -> str:
    """Write the snippet of a button, ready to be pasted before the end of a page's head."""
    button = {"id": public_id, "hash": hash_, "locale": locale, "inline": inline}
    return _SNIPPET.format(src=_script_literal(f"{base_url}/js/button.js"), button=_script_literal(button))


def parse_snippet(text: str) -> FoundButton:
    """Find the one button in a pasted snippet, in a page that carries it, or in HTML-escaped text.

    All generations say `id` and `hash` in one object literal; what differs is the code around it,
    which is not run and not needed.
    """
    found = {_read_button(literal) for literal in _literals_with_hash(text)}
    if not found and "&" in text:
        found = {_read_button(literal) for literal in _literals_with_hash(unescape(text))}
    if not found:
        raise InvalidInput(_fault("no_button", "no object with `id` and `hash` stands in this text"))
    if len(found) > 1:
        ids = ", ".join(sorted(button.public_id for button in found))
        raise InvalidInput(_fault("many_buttons", f"several buttons stand in this text ({ids}); give one"))
    return found.pop()


def _script_literal(value: object) -> str:
    """JSON that can stand inside <script>: no `</script>`, no `<!--`, nothing beyond ASCII."""
    return json.dumps(value).replace("<", "\\u003c")


def _literals_with_hash(text: str) -> list[str]:
    """The innermost object literal around each `hash:`, as far as the keys before any nested brace."""
    literals = []
    for match in _HASH.finditer(text):
        start = text.rfind("{", 0, match.start()) + 1
        brace = re.compile("[{}]").search(text, match.end())
        literals.append(text[start : brace.start() if brace else len(text)])
    return literals


def _read_button(literal: str) -> FoundButton:
    public_id, hash_ = _value(literal, "id"), _value(literal, "hash")
    if public_id is None or not _ID.match(public_id):
        raise InvalidInput(_fault("bad_id", f"{public_id!r} is not the id of a button"))
    if hash_ is None or not _HASH_SHAPE.match(hash_):
        message = f"{hash_!r} is not the hash of a button: 16 to 128 letters and digits"
        raise InvalidInput(_fault("bad_hash", message))
    locale = _value(literal, "locale") or "en"
    if not _LOCALE.match(locale):
        raise InvalidInput(_fault("bad_locale", f"{locale!r} is not a language such as ru or en"))
    return FoundButton(public_id, hash_, locale, inline=_value(literal, "inline") in ("true", "!0"))


def _value(literal: str, name: str) -> str | None:
    match = re.search(_KEY.format(name=name), literal)
    return next((group for group in match.groups() if group is not None), None) if match else None


def _fault(code: str, message: str) -> Fault:
    return Fault("snippet", code, message)
