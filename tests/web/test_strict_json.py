"""Bytes to values, strictly: what is refused, where it stands, and how long it may take."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knopka.domain.errors import Fault, InvalidInput, TooLarge
from knopka.domain.strict_json import MAX_DEPTH, MAX_FOREIGN_NODES, MAX_NODES, read_foreign, read_json
from knopka.web.bracket_form import read_form

MAX = 64 * 1024


def faults(body: bytes, *, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES) -> list[Fault]:
    with pytest.raises(InvalidInput) as refusal:
        read_json(body, max_bytes=MAX, max_depth=max_depth, max_nodes=max_nodes)
    return list(refusal.value.faults)


def only_fault(body: bytes) -> Fault:
    (fault,) = faults(body)
    return fault


# fmt: off
VALID = [
    "{}", "[]", "null", "0", "-0", '""', ' {"a" : [1, -2.5e3, "я", "\\u044f"]} ',
    '["\\ud83d\\ude00", "\\\\u0000"]',
    "9223372036854775807", "-9223372036854775808", "1e308", "1e-999", '{"__proto__": 1}',
]
# fmt: on


@pytest.mark.parametrize("text", VALID)
def test_S_IN_01_valid_json_is_read_as_it_is(text: str) -> None:
    assert read_json(text.encode(), max_bytes=MAX) == json.loads(text)


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        (b'{"a":1,"a":2}', "duplicate_key", "$.a"),
        (b'{"a":[{"b":1,"b":1}]}', "duplicate_key", "$.a[0].b"),
        (b'{"a":NaN}', "not_a_number", "$.a"),
        (b"[1,Infinity]", "not_a_number", "$[1]"),
        (b"-Infinity", "not_a_number", "$"),
        (b'{"a":1e999}', "number_too_large", "$.a"),
        (b"-1e999", "number_too_large", "$"),
        (b"9223372036854775808", "integer_too_large", "$"),
        (b"-9223372036854775809", "integer_too_large", "$"),
        (b'{"contact":{"custom_fields":[{"id":%s}]}}' % (b"1" * 40), "integer_too_large",
         "$.contact.custom_fields[0].id"),
        (b"1" * 5000, "integer_too_large", "$"),
        (b'{"a":"\\ud800"}', "lone_surrogate", "$.a"),
        (b'["\\udc00\\ud800"]', "lone_surrogate", "$[0]"),
        (b'["\\uDBFF"]', "lone_surrogate", "$[0]"),
        (b'{"a":"x\\u0000"}', "nul", "$.a"),
        (b'{"a\\u0000":1}', "nul", '$["a\\u0000"]'),
        (b'{"\\ud800":1}', "lone_surrogate", '$["\\ud800"]'),
        (b'{"%s":1}' % (b"k" * 129), "key_too_long", '$["' + "k" * 128 + '\\u2026"]'),
    ],
)  # fmt: skip
def test_S_IN_01_a_wrong_value_is_refused_with_its_path(body: bytes, code: str, path: str) -> None:
    fault = only_fault(body)
    assert (fault.code, fault.path) == (code, path)


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        (b"", "not_json", 1, 1),
        (b" ", "not_json", 1, 2),
        (b"{", "not_json", 1, 2),
        (b'{"a":1}\n x', "not_json", 2, 2),
        (b'{\n"a":01}', "not_json", 2, 6),
        (b"{'a':1}", "not_json", 1, 2),
        (b"[1,]", "not_json", 1, 4),
        (b'{"a":"x\x00"}', "not_json", 1, 8),
        (b'{"a":"x\ny"}', "not_json", 1, 8),
        (b'"\\x"', "not_json", 1, 2),
        (b'{"a":1,"a":2', "not_json", 1, 13),
        ("[\n“x”]".encode(), "not_json", 2, 1),
        (b"\xef\xbb\xbf{}", "byte_order_mark", 1, 1),
        (b"\xff\xfe{}", "not_utf8", 1, 1),
        ('{"я":\n"'.encode() + b'\xd1"}', "not_utf8", 2, 2),
        (b'"\xed\xa0\x80"', "not_utf8", 1, 2),
        (b'"\xc0\x80"', "not_utf8", 1, 2),
        ("{}".encode("utf-16"), "not_utf8", 1, 1),
        (b"\n" + b"[" * 33 + b"]" * 33, "too_deep", 2, 33),
        (b"[" * 60_000, "too_deep", 1, 33),
        (b'{"a":' * 10_000, "too_deep", 1, 161),
    ],
)
def test_S_IN_01_an_unreadable_text_is_refused_with_line_and_column(
    body: bytes, code: str, line: int, column: int
) -> None:
    fault = only_fault(body)
    assert (fault.code, fault.line, fault.column) == (code, line, column)


def test_S_IN_01_size_is_judged_first() -> None:
    with pytest.raises(TooLarge):
        read_json(b"\xff" * 11, max_bytes=10)
    assert read_json(b"[1,2,3,4 ]", max_bytes=10) == [1, 2, 3, 4]


def test_S_IN_01_limits_let_the_last_allowed_pass() -> None:
    assert read_json(b"[" * 32 + b"]" * 32, max_bytes=MAX)
    assert read_json(b'{"a":' * 31 + b"[]" + b"}" * 31, max_bytes=MAX)
    assert len(read_json(b"[" + b",".join([b"1"] * 4_999) + b"]", max_bytes=MAX)) == 4_999
    assert read_json(b'{"%s":1}' % (b"k" * 128), max_bytes=MAX)
    key = "я" * 128
    assert read_json(json.dumps({key: 1}, ensure_ascii=False).encode(), max_bytes=MAX) == {key: 1}


def test_S_IN_01_brackets_and_commas_inside_texts_count_for_nothing() -> None:
    text = "[{," * 5_000
    assert read_json(json.dumps([text]).encode(), max_bytes=MAX) == [text]


@pytest.mark.parametrize("item", [b"1", b"[]", b'""', b'{"a":1}'])
def test_S_IN_01_too_many_values_are_one_fault(item: bytes) -> None:
    fault = only_fault(b"[" + b",".join([item] * 5_000) + b"]")
    assert fault.code == "too_many_values"


def test_several_faults_are_told_together_in_their_order_and_not_without_end() -> None:
    found = faults(b'{"a":NaN,"b":["\\ud800",1e999],"a":0}')
    assert [fault.path for fault in found] == ["$.a", "$.b[0]", "$.b[1]", "$.a"]
    assert len(faults(b"[" + b",".join([b"NaN"] * 1000) + b"]")) == 10


def test_limits_can_be_set_by_the_caller() -> None:
    assert faults(b"[[[]]]", max_depth=2)[0].code == "too_deep"
    assert faults(b"[1,2,3]", max_nodes=3)[0].code == "too_many_values"


# Any bytes, any value

any_text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
any_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | any_text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(any_text, inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(value=any_value, ascii_only=st.booleans())
def test_it_agrees_with_the_standard_reader_on_what_is_allowed(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert read_json(body, max_bytes=MAX) == json.loads(body)


# fmt: off
scraps = st.sampled_from([
    *'{}[],:"\\', "\\u", "d800", "0000", '"a":', "1e999", "NaN", "1" * 40, "\0", "я", " ", "-",
])
# fmt: on
hostile = st.lists(scraps, max_size=60).map(lambda parts: "".join(parts).encode())


@settings(max_examples=500, deadline=None)
@given(body=hostile | st.binary(max_size=60))
@example(body=b'"\\')
@example(body=b'{"\\ud800":{"\\ud800":')
def test_no_bytes_bring_any_other_error(body: bytes) -> None:
    value, refusal = attempt(lambda: read_json(body, max_bytes=MAX))
    if refusal is None:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    else:
        assert refusal.faults
        assert all(fault.path.startswith("$") and fault.message for fault in refusal.faults)
        str(refusal).encode()


def attempt(read: Callable[[], Any]) -> tuple[Any, InvalidInput | None]:
    try:
        return read(), None
    except InvalidInput as refusal:
        return None, refusal


def seconds(read: Callable[[], Any]) -> float:
    """Processor time of one reading, the best of three."""
    best = 9.0
    for _ in range(3):
        start = process_time()
        attempt(read)
        best = min(best, process_time() - start)
    return best


# fmt: off
PARTS = [
    b"[", b'"', b'{"a":', b'\\"', b'"\\"', b"1", b"1,", b'"a",', b'{"a":1},', b"\\ud83d\\ude00", b" ", b"[]",
    b"\\", b'"\\', b"NaN,", b'{"a":1,"a":1},', b"\n", b"0.1", b"]", b"\xf0\x9f\x98\x80",
]
# fmt: on
FRAMES = [(b"", b""), (b"[", b"1]"), (b'["', b'"]'), (b'"', b""), (b'[1e999,"', b""), (b"[1e999,", b"")]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("before", "after"), FRAMES)
def test_the_worst_body_takes_milliseconds(part: bytes, before: bytes, after: bytes) -> None:
    body = before + part * ((MAX - 20) // len(part)) + after
    assert seconds(lambda: read_json(body, max_bytes=MAX)) < 0.1


# The page's bracket form


def form(text: str) -> Any:
    return read_form(text.encode(), max_bytes=MAX)


def form_fault(body: str | bytes, **limits: int) -> Fault:
    raw = body.encode() if isinstance(body, str) else body
    with pytest.raises(InvalidInput) as refusal:
        read_form(raw, max_bytes=MAX, **limits)
    (fault,) = refusal.value.faults
    return fault


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("&&", {}),
        ("a=1", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("a=x+y%2Bz", {"a": "x y+z"}),
        ("note%5Btext%5D=%D0%A2", {"note": {"text": "Т"}}),
        ("note[text]=Т", {"note": {"text": "Т"}}),
        ("a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        ("a[b][0][c]=1&a[b][1][c]=2", {"a": {"b": {"0": {"c": "1"}, "1": {"c": "2"}}}}),
    ],
)
def test_a_bracket_form_is_read_as_nested_values(text: str, value: Any) -> None:
    assert form(text) == value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("=1", "not_a_form"),
        ("[a]=1", "not_a_form"),
        ("a[b=1", "not_a_form"),
        ("a]b=1", "not_a_form"),
        ("a[b]c=1", "not_a_form"),
        ("a[[b]]=1", "not_a_form"),
        ("a=%zz", "not_a_form"),
        ("a=%2", "not_a_form"),
        ("a=%ff", "not_utf8"),
        (b"a=\xff", "not_utf8"),
        ("a=%ED%A0%80", "not_utf8"),
        ("a=%00", "nul"),
        ("a%00=1", "nul"),
        ("a=1&a=2", "duplicate_key"),
        ("a[b]=1&a[b]=2", "duplicate_key"),
        ("a=1&a[b]=2", "duplicate_key"),
        ("a[b]=1&a=2", "duplicate_key"),
        ("a" + "[b]" * 32 + "=1", "too_deep"),
        ("a[" + "k" * 129 + "]=1", "key_too_long"),
        ("&".join(f"a[{number}]=1" for number in range(4_999)), "too_many_values"),
        ("\ufeffa=1", "not_a_form"),
    ],
)
def test_S_IN_01_a_form_has_the_same_limits_and_faults_as_json(body: str | bytes, code: str) -> None:
    fault = form_fault(body)
    assert fault.code == code
    assert fault.line == 1
    assert fault.column is not None


def test_a_fault_of_a_form_names_path_and_column() -> None:
    fault = form_fault("visit=x&contact[custom_fields][0][id]=1&contact[custom_fields][0][id]=2")
    assert (fault.path, fault.column) == ("$.contact.custom_fields[0].id", 41)


def test_S_IN_01_a_form_is_judged_by_size_first() -> None:
    with pytest.raises(TooLarge):
        read_form(b"\xff" * 11, max_bytes=10)


def test_a_form_lets_the_last_allowed_pass() -> None:
    assert form("a" + "[b]" * 31 + "=1")
    assert len(form("&".join(f"a[{number}]=1" for number in range(4_998)))["a"]) == 4_998


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="ab[]=&%20;+я\0", max_size=60) | st.text(max_size=30))
def test_no_form_brings_any_other_error(text: str) -> None:
    value, refusal = attempt(lambda: read_form(text.encode("utf-8", "surrogatepass"), max_bytes=MAX))
    if refusal is None:
        json.dumps(value, ensure_ascii=False).encode()
    else:
        assert refusal.faults


@pytest.mark.parametrize("part", ["&", "a=1&", "%61", "[", "[]", "a[][][]=1&", "+", "=", "a[x]=&", ";"])
@pytest.mark.parametrize("before", ["", "a", "a=", "a["])
def test_the_worst_form_takes_milliseconds(before: str, part: str) -> None:
    body = (before + part * ((MAX - 20) // len(part))).encode()
    assert seconds(lambda: read_form(body, max_bytes=MAX)) < 0.1


# What a platform wrote.


def test_what_people_can_put_into_a_platforms_body_is_left_out_and_the_rest_is_read() -> None:
    deep = "[" * 40 + "]" * 40
    body = (
        r'{"name": "a\u0000b\ud83d!", "smile": "\ud83d\ude00", "far": 1e999, "kept": 18446744073709551615,'
        rf' "id": 1{"0" * 30}, "deep": {deep}, "list": [1, "\u0000"]}}'
    )
    read = read_foreign(body.encode())
    assert (read["name"], read["smile"], read["id"], read["far"]) == ("ab!", "😀", None, None)
    assert (read["kept"], read["list"]) == (2**64 - 1, [1, ""])
    assert json.dumps(read["deep"]).count("[") == MAX_DEPTH - 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"%s": 1}' % (b"k" * 129),
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\x00"}',
        b"[" * 100_000,
        b"[" + b"1," * MAX_FOREIGN_NODES + b"1]",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_S_IN_01_a_platforms_body_is_refused_where_nobody_else_decides_on_it(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_foreign(body)


def test_S_IN_01_a_platforms_body_may_hold_as_many_commas_as_its_people_write() -> None:
    text = "," * (MAX_FOREIGN_NODES + 1)
    assert read_foreign(json.dumps({"text": text}).encode()) == {"text": text}


@given(hostile | st.binary(max_size=60))
def test_S_IN_01_whatever_a_platform_sends_is_read_or_refused(body: bytes) -> None:
    try:
        read = read_foreign(body)
    except InvalidInput:
        return
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
