"""Snippets of every generation, described in our own words, are read; ours is written safely."""

from __future__ import annotations

import html

import pytest

from knopka.domain.errors import InvalidInput
from knopka.domain.snippet import FoundButton, parse_snippet, render_snippet

HASH = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"

LEGACY = f"""
<script>
  var amo_social_button = {{ id: 10211, hash: "{HASH}", locale: "ru" }};
</script>
<script id="amo_social_button_script" async="async" src="https://gso.amocrm.ru/js/button.js"></script>
"""
CURRENT = f"""
<script>(function(w,o,f){{w[o]={{id:"10211",hash:"{HASH}",locale:"ru",inline:true,
setMeta:function(p){{w[o].params=(w[o].params||[]).concat([p])}}}};
w[f]=w[f]||function(){{(w[f].q=w[f].q||[]).push(arguments)}};
var s=document.createElement('script');s.id=o+'_script';s.async=1;
s.src='https://gso.amocrm.ru/js/button.js?1700000000';document.head.appendChild(s)}})
(window,'amo_social_button','amoSocialButton')</script>
"""
IN_APP = CURRENT.replace("<script>(", "<script>window.amoSocialButtonConfig={hidden:!0};(").replace(
    "true", "!0"
)
KOMMO = CURRENT.replace("amo_social_button", "crm_plugin").replace("amoSocialButton", "crmPlugin")
KOMMO = KOMMO.replace("inline:true,", "").replace("amocrm.ru", "kommo.com").replace('"ru"', "'es'")


@pytest.mark.parametrize(
    ("text", "locale", "inline"),
    [
        (LEGACY, "ru", False),
        (CURRENT, "ru", True),
        (IN_APP, "ru", True),
        (KOMMO, "es", False),
        (html.escape(CURRENT), "ru", True),
        (f"<!doctype html><body>{CURRENT}<p>{{id: 5}}</p>{CURRENT}", "ru", True),
        (CURRENT.replace("id:", '"id" : ').replace("hash:", '"hash" : '), "ru", True),
    ],
    ids=["legacy", "current", "in an app", "kommo", "escaped", "twice in a page", "quoted keys"],
)
def test_each_generation_names_its_button(text: str, locale: str, inline: bool) -> None:
    assert parse_snippet(text) == FoundButton("10211", HASH, locale, inline)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_button"),
        ("<script>var x = {id: 5}</script>", "no_button"),
        (CURRENT.replace(HASH, "short"), "bad_hash"),
        (CURRENT.replace('id:"10211",', ""), "bad_id"),
        (CURRENT.replace('locale:"ru"', 'locale:"<b>"'), "bad_locale"),
        (CURRENT + CURRENT.replace("10211", "10212"), "many_buttons"),
    ],
)
def test_what_is_not_one_button_is_refused_with_the_reason(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_snippet(text)
    assert [fault.code for fault in caught.value.faults] == [code]


def test_our_own_snippet_reads_back() -> None:
    text = render_snippet("https://chat.shop.example", "7", HASH, "ru", inline=True)
    assert parse_snippet(text) == FoundButton("7", HASH, "ru", inline=True)
    assert '"https://chat.shop.example/js/button.js"' in text


def test_our_snippet_cannot_end_the_script_it_stands_in() -> None:
    text = render_snippet("https://a.example", "</script><script>alert(1)", HASH, "ru", inline=False)
    assert text.count("</script>") == 1
    assert "\\u003c/script>" in text
