"""PCRE literals (`/…/flags`, as PHP reads them) into RE2's syntax, or the part that RE2 cannot express."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NoReturn, TypeAlias

from knopka.domain.bot.linear import compile_re2
from knopka.domain.errors import KnopkaError

MAX_LITERAL: Final = 1_000
MAX_REPEAT: Final = 1_000
MAX_DEPTH: Final = 30
"""Groups within groups."""
MAX_GROUPS: Final = 20
"""Groups that keep what they found: each is carried along with every character."""


class PatternError(KnopkaError):
    """What a pattern holds that is no PCRE, or that cannot be matched in linear time."""

    def __init__(self, code: str, message: str, offset: int) -> None:
        super().__init__(message)
        self.code = code
        self.offset = offset
        """The character of the literal, from 0."""


# --- What a pattern is made of


@dataclass(frozen=True, slots=True)
class _Chars:
    """Exactly one character: one of these sets, or with `negated` one of none of them."""

    parts: tuple[_Set, ...]
    negated: bool
    folds: bool
    char: str | None = None
    """Which one, where only one fits."""


@dataclass(frozen=True, slots=True)
class _Assert:
    expr: str
    is_end: bool = False


@dataclass(frozen=True, slots=True)
class _Switch:
    """(?i) or (?-i), up to the end of the group."""

    expr: str


@dataclass(frozen=True, slots=True)
class _Group:
    kind: Literal["capture", "plain", "atomic"]
    alternatives: tuple[tuple[_Node, ...], ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Repeat:
    item: _Node
    least: int
    most: int | None
    lazy: bool
    possessive: bool
    offset: int


_Node = _Chars | _Assert | _Switch | _Group | _Repeat
_Follow: TypeAlias = "_Chars | Literal['nothing', 'end'] | None"
"""What comes after a part: nothing more of the pattern, the text's end, one of these characters, or something
less simple."""


@dataclass(frozen=True, slots=True)
class _Flags:
    i: bool = False
    m: bool = False
    s: bool = False
    x: bool = False
    n: bool = False
    U: bool = False
    u: bool = False
    D: bool = False
    A: bool = False


def translate(literal: str) -> tuple[str, bool]:
    r"""RE2's text of a PCRE literal, and whether it is to be matched on framed characters.

    With /u PHP switches Unicode properties on (PCRE2_UCP), so \w, \d, \s and \b know every
    alphabet; without it they are ASCII. Texts are read as characters with /u and without.
    """
    if len(literal) > MAX_LITERAL:
        raise PatternError(
            "pattern_too_long",
            f"the pattern has {len(literal)} characters, at most {MAX_LITERAL} are taken",
            MAX_LITERAL,
        )
    source, flags, offset = _split_literal(literal)
    parser = _Parser(source, flags, offset)
    root = parser.parse()
    writer = _Writer(frames=parser.needs_frames)
    text = writer.write_alternatives(root, "nothing")
    if flags.A:
        text = rf"\A(?:{text})"
    return ("(?i)" if flags.i else "") + text, parser.needs_frames


_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_IGNORED_FLAGS = frozenset("SXJ \r\n")
"""Of no effect here, and spaces, which PHP skips. J allows a name twice, and names are dropped."""
_KNOWN_FLAGS = frozenset("imsxnUuDA")


def _split_literal(literal: str) -> tuple[str, _Flags, int]:
    """The pattern between the delimiters, its flags, and where it begins."""
    start = len(literal) - len(literal.lstrip())
    opening = literal[start : start + 1]
    if not opening or opening.isalnum() or opening == "\\" or not opening.isascii():
        raise PatternError(
            "pattern_no_delimiter", f"a pattern stands between delimiters: write /{literal[:40]}/iu", start
        )
    end = _find_end(literal, start + 1, opening)
    if end is None:
        closing = _BRACKETS.get(opening, opening)
        raise PatternError("pattern_no_delimiter", f"the closing {closing} of the pattern is missing", start)
    given = literal[end + 1 :]
    for index, flag in enumerate(given):
        if flag not in _KNOWN_FLAGS | _IGNORED_FLAGS:
            raise PatternError(
                "pattern_flag",
                f"PCRE has no flag {flag!r}: the flags are i, m, s, x, u, n, U, A, D",
                end + 1 + index,
            )
    flags = _Flags(**dict.fromkeys(_KNOWN_FLAGS & set(given), True))
    return literal[start + 1 : end], flags, start + 1


def _find_end(literal: str, start: int, opening: str) -> int | None:
    closing = _BRACKETS.get(opening, opening)
    depth, index = 1, start
    while index < len(literal):
        char = literal[index]
        if char == "\\":
            index += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return index
        elif char == opening:
            depth += 1
        index += 1
    return None


# --- Sets of characters

KINDS: Final = {
    "Lu": "u", "Ll": "l", "Lt": "t", "Lm": "o", "Lo": "o", "Nd": "d", "Nl": "n", "No": "n", "Mn": "m",
    "Pc": "c", "Pd": ".", "Ps": ".", "Pe": ".", "Pi": ".", "Pf": ".", "Po": ".", "Sm": "+", "Sc": "+",
    "Sk": "+", "So": "+", "Zs": " ", "Zl": " ", "Zp": " ",
}  # fmt: skip
"""What stands before a framed character, by its category: ASCII letters before those of words."""
OTHER_KIND: Final = "-"
SPACE_KIND: Final = " "
"""Also of tab, carriage return and the like."""
FRAME: Final = "\x01"

_LETTER_KINDS, _WORD_KINDS = "ulto", "ultodnmc"
_ALL_KINDS = _WORD_KINDS + " .+-"


@dataclass(frozen=True, slots=True)
class _Set:
    """A set in the words of an RE2 class: these items, or with `negated` all but these.

    `kinds` are those of the framed characters that are in it, where that tells all.
    """

    items: tuple[str, ...]
    kinds: str = ""
    negated: bool = False

    def write(self) -> str:
        return f"[{'^' if self.negated else ''}{''.join(self.items)}]"


_ASCII_SPACE = (r"\x{9}", r"\x{a}", r"\x{b}", r"\x{c}", r"\x{d}", r"\x{20}")
_VERTICAL = (*_ASCII_SPACE[1:-1], r"\x{85}", r"\x{2028}\x{2029}")
_ANYWHERE = {
    "h": _Set((r"\x{9}", r"\x{20}", r"\x{a0}", r"\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}")),
    "v": _Set(_VERTICAL),
}
_ASCII = _ANYWHERE | {
    "d": _Set(("0-9",)),
    "w": _Set(("0-9", "A-Z", "a-z", "_")),
    "s": _Set(_ASCII_SPACE),
}
_WORD = _Set((r"\p{L}", r"\p{N}", r"\p{Mn}", r"\p{Pc}"), _WORD_KINDS)
_DIGITS = _Set((r"\p{Nd}",), "d")
_SPACE = _Set((*_ASCII_SPACE[:-1], r"\x{85}", r"\p{Z}"), SPACE_KIND)
_UNICODE = _ANYWHERE | {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_POSIX = frozenset(
    ("alpha", "lower", "upper", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "print", "punct",
     "space", "word", "xdigit")
)  # fmt: skip
_POSIX_UNICODE = {
    "alpha": _Set((r"\p{L}",), _LETTER_KINDS), "lower": _Set((r"\p{Ll}",), "l"),
    "upper": _Set((r"\p{Lu}",), "u"), "alnum": _Set((r"\p{L}\p{N}",), _LETTER_KINDS + "dn"),
    "cntrl": _Set((r"\p{Cc}",)), "digit": _DIGITS, "punct": _Set((r"\p{P}$+<=>\^`|~",)), "space": _SPACE,
    "word": _WORD, "blank": _ANYWHERE["h"],
}  # fmt: skip
_PROPERTIES = {
    "L": _POSIX_UNICODE["alpha"], "Lu": _POSIX_UNICODE["upper"], "Ll": _POSIX_UNICODE["lower"],
    "Lt": _Set((r"\p{Lt}",), "t"), "L&": _Set((r"\p{Lu}\p{Ll}\p{Lt}",), "ult"), "N": _Set((r"\p{N}",), "dn"),
    "Nd": _DIGITS, "P": _Set((r"\p{P}",), ".c"), "S": _Set((r"\p{S}",), "+"),
    "Xan": _POSIX_UNICODE["alnum"], "Xwd": _WORD, "Xsp": _SPACE, "Xps": _SPACE,
}  # fmt: skip
_PROPERTY = re.compile(r"\{(\^?)([A-Za-z_]+&?)\}|([A-Z])")
_CONTROLS = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = re.compile(r"\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{0,2})")
_NAMED = re.compile(r"\{U\+([0-9A-Fa-f]{1,6})\}")
_OCTAL = re.compile(r"[0-7]{1,3}")
_BRACED_OCTAL = re.compile(r"\{([0-7]{1,7})\}")
_QUANTIFIER = re.compile(r"\{(\d+)(,(\d*))?\}")
_POSIX_NAME = re.compile(r"\[:(\^?)([a-z]*):\]")
_INLINE_FLAGS = re.compile(r"\?(\^?)([imsxnUJ]*)(?:-([imsxnUJ]*))?([:)])")
_NAME = re.compile(r"\?(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')")
_START_VERB = re.compile(r"\(\*(UTF8?|UCP)\)")


def _escape(char: str) -> str:
    if char.isalnum() or char == "_":
        return char
    if char.isascii() and char.isprintable() and char != " ":
        return "\\" + char
    return rf"\x{{{ord(char):x}}}"


def _write_plain(chars: _Chars) -> str | None:
    """The class for a text as it is; None for one that RE2's classes cannot say."""
    plain = tuple(item for part in chars.parts if not part.negated for item in part.items)
    others = [part for part in chars.parts if part.negated]
    if not others:
        return _Set(plain, negated=chars.negated).write() if plain else "(?s:.)"
    if not chars.negated:
        choices = [_Set(plain), *others] if plain else others
        return f"(?:{'|'.join(one.write() for one in choices)})"
    return _write_rest(plain, others)


def _write_rest(plain: tuple[str, ...], others: Sequence[_Set]) -> str | None:
    r"""What is in the negated sets and not among the plain items: [^\W\d_] is \w without \d and _."""
    if len(others) == 1 and set(plain) < set(others[0].items):
        return _Set(tuple(item for item in others[0].items if item not in plain)).write()
    return None


def _write_framed(chars: _Chars) -> str | None:
    """The class for framed characters, whose kinds stand beside them; a line feed is never framed."""
    kinds: set[str] = set()
    for part in chars.parts:
        if part.kinds:
            kinds |= set(_ALL_KINDS) - set(part.kinds) if part.negated else set(part.kinds)
    explicit = _Chars(tuple(part for part in chars.parts if not part.kinds), chars.negated, chars.folds)
    has_line_feed = (SPACE_KIND in kinds) or (
        bool(explicit.parts) and _matches(replace(explicit, negated=False), "\n")
    )
    choices = [r"\n"] if has_line_feed != chars.negated else []
    if chars.negated:
        written = _write_plain(explicit)
        if written is None:
            return None
        kinds = set(_ALL_KINDS) - kinds
        choices += [_write_frame(kinds, written)] if kinds else []
    else:
        choices += [_write_frame(kinds, "(?s:.)")] if kinds else []
        written = _write_plain(explicit) if explicit.parts else None
        choices += [_write_frame(set(_ALL_KINDS), written)] if written is not None else []
    if not choices:
        return r"[^\x{0}-\x{10ffff}]"
    return choices[0] if len(choices) == 1 else f"(?:{'|'.join(choices)})"


def _write_frame(kinds: set[str], char: str) -> str:
    before = "[ -~]" if len(kinds) == len(_ALL_KINDS) else f"[{''.join(map(_escape, sorted(kinds)))}]"
    return rf"{before}\x01{char}[a\-]"


# --- Reading


class _Parser:
    def __init__(self, source: str, flags: _Flags, offset: int) -> None:
        self._source = source
        self._offset = offset
        self._flags = flags
        self._position = 0
        self._groups = _count_groups(source)
        self._groups_read = 0
        self.needs_frames = False

    def parse(self) -> tuple[tuple[_Node, ...], ...]:
        while verb := _START_VERB.match(self._source, self._position):
            self._flags = replace(self._flags, u=True)
            self._position = verb.end()
        found = self._read_alternatives(self._flags, 0)
        if self._position < len(self._source):
            self._refuse("pattern_syntax", "this ) closes nothing: write \\) for the character itself")
        return found

    def _refuse(self, code: str, message: str, position: int | None = None) -> NoReturn:
        raise PatternError(code, message, self._offset + (self._position if position is None else position))

    def _take(self, text: str) -> bool:
        if self._source.startswith(text, self._position):
            self._position += len(text)
            return True
        return False

    def _peek(self) -> str:
        return self._source[self._position : self._position + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            self._refuse("pattern_syntax", "the pattern ends in the middle of something")
        self._position += 1
        return char

    def _read_alternatives(self, flags: _Flags, depth: int) -> tuple[tuple[_Node, ...], ...]:
        if depth > MAX_DEPTH:
            self._refuse("pattern_too_deep", f"groups stand in one another deeper than {MAX_DEPTH}")
        found: list[tuple[_Node, ...]] = []
        while True:
            nodes, flags = self._read_sequence(flags, depth)
            found.append(nodes)
            if not self._take("|"):
                return tuple(found)

    def _read_sequence(self, flags: _Flags, depth: int) -> tuple[tuple[_Node, ...], _Flags]:
        """The parts up to | or ), and the flags that hold after them."""
        nodes: list[_Node] = []
        while (char := self._peek()) and char not in "|)":
            if self._skip_unseen(flags):
                continue
            switch = _INLINE_FLAGS.match(self._source, self._position + 1)
            if char == "(" and switch and switch[4] == ")":
                self._position = switch.end()
                before, flags = flags, _switch(flags, switch)
                if before.i != flags.i:
                    nodes.append(_fold_switch(flags))
                continue
            if self._take("\\Q"):
                nodes.extend(self._read_quoted(flags))
            else:
                nodes.append(self._read_atom(flags, depth))
            if nodes:
                self._skip_all_unseen(flags)
                nodes[-1] = self._read_quantifier(nodes[-1], flags)
        return tuple(nodes), flags

    def _skip_all_unseen(self, flags: _Flags) -> None:
        while self._skip_unseen(flags):
            pass

    def _skip_unseen(self, flags: _Flags) -> bool:
        """Comments, and with x also space."""
        start = self._position
        if self._take("(?#"):
            end = self._source.find(")", self._position)
            if end < 0:
                self._refuse("pattern_syntax", "this comment has no end", start)
            self._position = end + 1
        elif self._take("\\E"):
            pass
        elif flags.x and self._peek() in tuple(" \t\n\v\f\r"):
            self._position += 1
        elif flags.x and self._take("#"):
            end = self._source.find("\n", self._position)
            self._position = len(self._source) if end < 0 else end + 1
        return self._position > start

    def _read_quoted(self, flags: _Flags) -> list[_Node]:
        end = self._source.find("\\E", self._position)
        end = len(self._source) if end < 0 else end
        text = self._source[self._position : end]
        self._position = min(end + 2, len(self._source))
        return [_literal(char, flags) for char in text]

    def _read_quantifier(self, item: _Node, flags: _Flags) -> _Node:
        start = self._position
        least, most = 0, None
        if found := _QUANTIFIER.match(self._source, start):
            least = self._read_count(found[1])
            most = least if found[2] is None else self._read_count(found[3]) if found[3] else None
            self._position = found.end()
            if most is not None and most < least:
                self._refuse("pattern_syntax", "the numbers of this {…} stand the wrong way round", start)
        elif self._take("*"):
            pass
        elif self._take("+"):
            least = 1
        elif self._take("?"):
            most = 1
        else:
            return item
        lazy, possessive = self._take("?"), self._take("+")
        if lazy and possessive:
            self._refuse("pattern_syntax", "a quantifier follows a quantifier", start)
        self._skip_all_unseen(flags)
        if self._peek() in ("*", "+", "?") or _QUANTIFIER.match(self._source, self._position):
            self._refuse("pattern_syntax", "a quantifier follows a quantifier: put the first into (?:…)")
        return _Repeat(item, least, most, lazy != flags.U, possessive, self._offset + start)

    def _read_count(self, digits: str) -> int:
        if len(digits) > 5 or int(digits) > MAX_REPEAT:
            self._refuse("pattern_repeat", f"a part is repeated at most {MAX_REPEAT} times")
        return int(digits)

    def _read_atom(self, flags: _Flags, depth: int) -> _Node:
        start = self._position
        match self._next():
            case "(":
                return self._read_group(flags, depth, start)
            case "[":
                return self._read_class(flags, start)
            case "\\":
                return self._read_escape(flags, start)
            case ".":
                return _Chars(() if flags.s else (_LINE_FEED,), True, flags.i)
            case "^":
                return _Assert("(?m:^)" if flags.m else r"\A")
            case "$":
                return _line_end(flags)
            case "*" | "+" | "?":
                self._refuse("pattern_syntax", "this quantifier has nothing to repeat", start)
            case char:
                pass
        return _literal(char, flags)

    def _read_group(self, flags: _Flags, depth: int, start: int) -> _Node:
        kind: Literal["capture", "plain", "atomic"] = "plain" if flags.n else "capture"
        inner = flags
        if self._peek() == "*":
            self._refuse_nonlinear("a verb such as (*SKIP)", "leave it out", start)
        if name := _NAME.match(self._source, self._position):
            kind = "capture"
            self._position = name.end()
        elif switch := _INLINE_FLAGS.match(self._source, self._position):
            kind, inner = "plain", _switch(flags, switch)
            self._position = switch.end()
        elif self._take("?>"):
            kind = "atomic"
        elif self._peek() == "?":
            self._refuse_group(start)
        self._groups_read += kind == "capture"
        if self._groups_read > MAX_GROUPS:
            self._refuse(
                "pattern_too_large", f"a pattern has at most {MAX_GROUPS} groups: write (?:…)", start
            )
        alternatives = self._read_alternatives(inner, depth + 1)
        if not self._take(")"):
            self._refuse("pattern_syntax", "this ( is not closed", start)
        if inner.i != flags.i:
            alternatives = ((_fold_switch(inner), *alternatives[0]), *alternatives[1:])
        return _Group(kind, alternatives, self._offset + start)

    def _refuse_group(self, start: int) -> NoReturn:
        """Everything else that begins with (?."""
        rest = self._source[self._position + 1 : self._position + 3]
        if rest[:1] in ("=", "!") or rest in ("<=", "<!"):
            self._refuse_nonlinear(
                f"a look {'ahead' if rest[0] != '<' else 'behind'}",
                "match what stands there as well and take the part you need by a group",
                start,
            )
        if rest == "P=":
            self._refuse_nonlinear("a back reference", "name what it repeats once more", start)
        if rest[:1] in ("R", "&", "+", "-") or rest == "P>" or rest[:1].isdigit():
            self._refuse_nonlinear("a pattern that calls itself", "write the part out", start)
        if rest[:1] == "(":
            self._refuse_nonlinear(
                "a condition inside a pattern", "use two branches, each with its pattern", start
            )
        if rest[:1] == "|":
            self._refuse_nonlinear(
                "a group (?|…)", "write (?:…) with a group of its own in each branch", start
            )
        self._refuse("pattern_syntax", f"(?{rest[:1]} begins no group that PCRE knows", start)

    def _refuse_nonlinear(self, what: str, advice: str, start: int) -> NoReturn:
        message = f"{what} cannot be matched in linear time: {advice}"
        self._refuse("pattern_not_linear", message, start)

    # Escapes

    def _read_escape(self, flags: _Flags, start: int) -> _Node:
        """What follows a backslash outside a class."""
        char = self._next()
        match char:
            case "b" | "B":
                self.needs_frames |= flags.u
                return _Assert("\\" + char)
            case "A" | "G":
                return _Assert(r"\A")
            case "z":
                return _Assert(r"\z", is_end=True)
            case "Z":
                return _Assert(r"(?:\n?\z)", is_end=True)
            case "R":
                line = (_literal("\r", flags), _literal("\n", flags))
                return _Group("plain", (line, (_Chars((_ANYWHERE["v"],), False, False),)))
            case "N" if not self._source.startswith("{U+", self._position):
                return _Chars((_LINE_FEED,), True, flags.i)
            case "K" | "C" | "X":
                self._refuse_nonlinear(f"\\{char}", "leave it out", start)
            case "k" | "g":
                self._refuse_nonlinear("a back reference", "name what it repeats once more", start)
            case _ if char in "123456789" and self._is_back_reference(char):
                self._refuse_nonlinear("a back reference", "name what it repeats once more", start)
        part = self._read_set(char, flags)
        if part is not None:
            return _Chars((part,), False, flags.i)
        return _literal(self._read_character(char, start), flags)

    def _is_back_reference(self, first: str) -> bool:
        digits = re.match(r"\d*", self._source[self._position :])
        number = int(first + (digits[0] if digits else "")[:5])
        return number < 10 or number <= self._groups or first in "89"

    def _read_set(self, char: str, flags: _Flags) -> _Set | None:
        r"""\d, \W, \p{…} and their like, in a class and outside."""
        if char in "pP":
            return self._read_property(char == "P")
        part = (_UNICODE if flags.u else _ASCII).get(char.lower())
        return None if part is None else self._use(part, char.isupper())

    def _use(self, part: _Set, negated: bool) -> _Set:
        """Sets of letters and digits are long: there the kinds of framed characters are looked at instead."""
        self.needs_frames |= not set(_WORD_KINDS).isdisjoint(part.kinds)
        return replace(part, negated=negated)

    def _read_property(self, negated: bool) -> _Set:
        start = self._position
        found = _PROPERTY.match(self._source, start)
        if found is None:
            self._refuse("pattern_syntax", "\\p wants a property, as in \\p{L}", start)
        self._position = found.end()
        name = found[2] or found[3]
        negated ^= found[1] == "^"
        if name in _PROPERTIES:
            return self._use(_PROPERTIES[name], negated)
        try:
            compile_re2(rf"\p{{{name}}}")
        except ValueError:
            self._refuse("pattern_syntax", f"there is no property {name} of characters", start)
        return _Set((rf"\{'P' if negated else 'p'}{{{name}}}",))

    def _read_character(self, char: str, start: int) -> str:
        """The one character that an escape stands for."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        code: int | None = None
        match char:
            case "x":
                code = self._read_number(_HEX, 16)
            case "o":
                code = self._read_number(_BRACED_OCTAL, 8)
            case "N":
                code = self._read_number(_NAMED, 16)
            case "c":
                code = ord(self._next().upper()) ^ 64
            case _ if char in "01234567":
                self._position -= 1
                code = self._read_number(_OCTAL, 8)
            case _ if not char.isalnum():
                return char
            case _:
                pass
        if code is None:
            self._refuse("pattern_syntax", f"\\{char} means nothing in PCRE", start)
        if code > _LAST or 0xD800 <= code <= 0xDFFF:
            self._refuse("pattern_syntax", "there is no such character", start)
        return chr(code)

    def _read_number(self, form: re.Pattern[str], base: int) -> int | None:
        found = form.match(self._source, self._position)
        if found is None:
            return None
        self._position = found.end()
        digits = next((group for group in (found.groups() or (found[0],)) if group is not None), "")
        return int(digits or "0", base)

    # Classes

    def _read_class(self, flags: _Flags, start: int) -> _Node:
        negated = self._take("^")
        parts: list[_Set] = []
        first = True
        while first or self._peek() != "]":
            if not self._peek():
                self._refuse("pattern_syntax", "this [ is not closed", start)
            first = False
            parts.extend(self._read_class_part(flags))
        self._position += 1
        chars = _Chars(tuple(parts), negated, flags.i)
        if _write_framed(chars) is None:
            self._refuse(
                "pattern_not_linear",
                "a class of all but another class and more cannot be expressed: list what is meant",
                start,
            )
        return chars

    def _read_class_part(self, flags: _Flags) -> list[_Set]:
        start = self._position
        if self._take("\\Q"):
            end = self._source.find("\\E", self._position)
            end = len(self._source) if end < 0 else end
            text = self._source[self._position : end]
            self._position = min(end + 2, len(self._source))
            return [_Set((_escape(char),)) for char in text]
        if self._take("\\E"):
            return []
        if name := _POSIX_NAME.match(self._source, start):
            self._position = name.end()
            return [self._read_posix(name, flags, start)]
        low = self._read_class_end(flags)
        if isinstance(low, _Set):
            return [low]
        after = self._source[self._position + 1 : self._position + 2]
        if self._peek() != "-" or after in ("]", ""):
            return [_Set((_escape(low),))]
        self._position += 1
        high = self._read_class_end(flags)
        if isinstance(high, _Set):
            return [_Set((_escape(low),)), _Set(("\\-",)), high]
        if high < low:
            self._refuse("pattern_syntax", f"the range {low}-{high} runs backwards", start)
        return [_Set((f"{_escape(low)}-{_escape(high)}",))]

    def _read_posix(self, name: re.Match[str], flags: _Flags, start: int) -> _Set:
        if name[2] not in _POSIX:
            self._refuse("pattern_syntax", f"there is no class [:{name[2]}:]", start)
        if flags.u and name[2] in _POSIX_UNICODE:
            return self._use(_POSIX_UNICODE[name[2]], name[1] == "^")
        return _Set((name[0],))

    def _read_class_end(self, flags: _Flags) -> _Set | str:
        """A character, or a set such as \\d, inside a class."""
        start = self._position
        char = self._next()
        if char != "\\":
            return char
        char = self._next()
        if char == "b":
            return "\b"
        if char in "BRX":
            self._refuse("pattern_syntax", f"\\{char} has no meaning inside [ ]", start)
        part = self._read_set(char, flags)
        return part if part is not None else self._read_character(char, start)


_LAST = 0x10FFFF
_LINE_FEED = _Set((r"\x{a}",))


def _count_groups(source: str) -> int:
    """How many groups there are at least: enough to tell a back reference from an octal number."""
    return len(re.findall(r"(?<!\\)\((?!\?)", source))


def _literal(char: str, flags: _Flags) -> _Chars:
    return _Chars((_Set((_escape(char),)),), False, flags.i, char)


def _line_end(flags: _Flags) -> _Assert:
    if flags.m:
        return _Assert("(?m:$)")
    return _Assert(r"\z" if flags.D else r"(?:\n?\z)", is_end=True)


def _fold_switch(flags: _Flags) -> _Switch:
    return _Switch("(?i)" if flags.i else "(?-i)")


def _switch(flags: _Flags, found: re.Match[str]) -> _Flags:
    """The flags after (?ims-x) or (?^i)."""
    reset, on, off = found[1], set(found[2]) - {"J"}, set(found[3] or "") - {"J"}
    if reset:
        flags = replace(flags, **dict.fromkeys("imsxn", False))
    return replace(flags, **dict.fromkeys(on, True), **dict.fromkeys(off - on, False))


# --- Writing


class _Writer:
    """RE2's text of what was read. Atomic parts are written where they change nothing, and else refused."""

    def __init__(self, *, frames: bool) -> None:
        self._frames = frames

    def write_alternatives(self, alternatives: tuple[tuple[_Node, ...], ...], follow: _Follow) -> str:
        return "|".join(self._write_sequence(nodes, follow) for nodes in alternatives)

    def _write_sequence(self, nodes: Sequence[_Node], follow: _Follow, *, is_atomic: bool = False) -> str:
        parts: list[str] = []
        for node in reversed(nodes):
            parts.append(self._write(node, follow, is_atomic))
            follow = _first(node, follow)
        return "".join(reversed(parts))

    def _write(self, node: _Node, follow: _Follow, is_atomic: bool) -> str:
        match node:
            case _Chars():
                return self._write_chars(node)
            case _Assert() | _Switch():
                return node.expr
            case _Group():
                return self._write_group(node, follow, is_atomic)
            case _Repeat():
                return self._write_repeat(node, follow, is_atomic)

    def _write_chars(self, node: _Chars) -> str:
        if node.char is not None:
            char = _escape(node.char)
            return char if not self._frames or node.char == "\n" else _write_frame(set(_ALL_KINDS), char)
        return (_write_framed if self._frames else _write_plain)(node) or ""

    def _write_group(self, node: _Group, follow: _Follow, is_atomic: bool) -> str:
        opening = "(" if node.kind == "capture" else "(?:"
        is_atomic |= node.kind == "atomic"
        if not is_atomic or follow == "nothing":
            return f"{opening}{self.write_alternatives(node.alternatives, follow)})"
        if len(node.alternatives) > 1:
            _refuse_atomic("an atomic group (?>…)", "write (?:…)", node.offset)
        return f"{opening}{self._write_sequence(node.alternatives[0], follow, is_atomic=True)})"

    def _write_repeat(self, node: _Repeat, follow: _Follow, is_atomic: bool) -> str:
        if (node.possessive or is_atomic) and follow != "nothing" and not _cannot_give_back(node, follow):
            _refuse_atomic("a possessive quantifier", "leave its + out", node.offset)
        inner = self._write(node.item, follow if node.most == 1 else None, is_atomic)
        most = "" if node.most is None else node.most
        count = f"{{{node.least}}}" if node.least == node.most else f"{{{node.least},{most}}}"
        sign = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((node.least, node.most), count)
        return f"(?:{inner}){sign}{'?' if node.lazy else ''}"


def _refuse_atomic(what: str, advice: str, offset: int) -> NoReturn:
    raise PatternError(
        "pattern_not_linear",
        f"{what} that changes what is found cannot be expressed: {advice} (no text makes it slow)",
        offset,
    )


def _first(node: _Node, follow: _Follow) -> _Follow:
    """What a text must begin with to go on at this part."""
    match node:
        case _Chars():
            return node
        case _Switch():
            return follow
        case _Assert():
            return "end" if node.is_end else None
        case _Repeat():
            return _first(node.item, None) if node.least else None
        case _Group():
            if len(node.alternatives) > 1:
                return None
            for part in reversed(node.alternatives[0]):
                follow = _first(part, follow)
            return follow


def _cannot_give_back(node: _Repeat, follow: _Follow) -> bool:
    """Whether a repeated part that took all it could would give back in vain."""
    if not isinstance(node.item, _Chars):
        return False
    if node.least == node.most or follow == "end":
        return True
    return (
        isinstance(follow, _Chars)
        and follow.char is not None
        and not _matches(node.item, follow.char, folds=node.item.folds or follow.folds)
    )


def _matches(node: _Chars, char: str, *, folds: bool | None = None) -> bool:
    folding = node.folds if folds is None else folds
    return compile_re2(f"(?{'i' if folding else '-i'}:{_write_plain(node)})").fullmatch(char) is not None
