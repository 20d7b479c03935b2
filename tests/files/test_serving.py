"""What a file is served with: little is shown, the rest is saved, and nothing can act."""

from __future__ import annotations

import pytest

from knopka.files import headers_for


def served(mime: str, name: str = "a.bin", *, is_picture: bool = False) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in headers_for(mime, name, is_picture)}


def test_S_IN_11_every_file_is_served_as_what_it_is_and_can_do_nothing() -> None:
    for mime in ("image/png", "audio/ogg", "application/pdf", "application/octet-stream"):
        headers = served(mime, is_picture=mime == "image/png")
        assert headers["content-type"] == mime
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"].startswith("private")


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg", "image/gif", "image/webp"])
def test_S_IN_11_a_picture_is_shown_only_when_it_was_drawn_anew(mime: str) -> None:
    assert served(mime, is_picture=True)["content-disposition"].startswith("inline;")
    assert served(mime, is_picture=False)["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize("mime", ["audio/ogg", "audio/mpeg", "audio/mp4", "video/mp4", "video/webm"])
def test_sounds_and_films_are_played_in_place(mime: str) -> None:
    assert served(mime)["content-disposition"].startswith("inline;")


@pytest.mark.parametrize(
    "mime",
    [
        "text/html",
        "text/plain",
        "text/javascript",
        "image/svg+xml",
        "application/xhtml+xml",
        "application/pdf",
        "application/octet-stream",
        "video/unknown",
        "",
    ],
)
@pytest.mark.parametrize("is_picture", [True, False])
def test_S_IN_11_anything_else_is_saved(mime: str, is_picture: bool) -> None:
    assert served(mime, is_picture=is_picture)["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("report.pdf", "attachment; filename=\"report.pdf\"; filename*=UTF-8''report.pdf"),
        ("отчёт.pdf", "attachment; filename=\"_____.pdf\"; filename*=UTF-8''"
                      "%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf"),
        ('a"b\\c;d%e.txt', "attachment; filename=\"c;d_e.txt\"; filename*=UTF-8''c%3Bd%25e.txt"),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("", "attachment; filename=\"file\"; filename*=UTF-8''file"),
    ],
)  # fmt: skip
def test_a_name_is_told_in_ascii_and_as_it_is(name: str, told: str) -> None:
    assert served("application/octet-stream", name)["content-disposition"] == told


def test_S_OUT_08_no_name_and_no_type_breaks_out_of_its_header() -> None:
    headers = headers_for("text/html\r\nset-cookie: a=b", "a\r\nset-cookie: a=b\x00\u2028.txt", True)
    assert all(0x20 <= byte < 0x7F for _, value in headers for byte in value)
    assert dict(headers)[b"content-type"] == b"application/octet-stream"
