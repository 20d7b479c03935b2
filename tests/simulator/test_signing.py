"""The signatures: vectors that were computed apart from this code, and other people's verifiers."""

from __future__ import annotations

import hmac
import json
import logging

from pywa.utils import webhook_updates_validator
from viberbot import Api, BotConfiguration

from knopka.simulator.signing import prove_app, sign_meta, sign_viber, write_meta, write_utf8

SECRET = "knopka-test-app-secret"
TOKEN = "4453b6ac12345678-e02c5f12174805f9-knopkatesttoken1"
POSTBACK = (
    b'{"object":"page","entry":[{"id":"100200300","time":1767225600000,"messaging":[{"sender":{"id":"7001"},'
    b'"recipient":{"id":"100200300"},"timestamp":1767225600123,"postback":{"mid":"m_AAA",'
    b'"title":"Get Started","payload":"GET_STARTED","referral":{"ref":"kn_Zm9vYmFy-01",'
    b'"source":"SHORTLINK","type":"OPEN_THREAD"}}}]}]}'
)
CYRILLIC = (
    rb'{"object":"page","entry":[{"id":"100200300","time":1767225601000,"messaging":[{"sender":{"id":"7001"},'
    rb'"recipient":{"id":"100200300"},"timestamp":1767225601123,"message":{"mid":"m_BBB",'
    rb'"text":"\u041f\u0440\u0438\u0432\u0435\u0442"}}]}]}'
)
STARTED = (
    '{"event":"conversation_started","timestamp":1767225600123,"chat_hostname":"SN-CHAT-01_",'
    '"message_token":4912661846655238145,"type":"open","context":"kn_Zm9vYmFy-01","user":{"id":"01234567890A=",'
    '"name":"Иван","avatar":"https://media.example/avatar.jpg","country":"RU","language":"ru","api_version":10},'
    '"subscribed":false}'
)


def test_meta_writes_and_signs_a_postback_to_the_byte() -> None:
    body = write_meta(json.loads(POSTBACK))
    assert body == POSTBACK
    assert sign_meta(SECRET, body) == {
        "X-Hub-Signature": "sha1=183f1e8412618db188cf4a4df26bdadff95666f6",
        "X-Hub-Signature-256": "sha256=af6ede2eb7428bf02afdcf9e10e72e0fb5e9de55ce43673fc933f2ba2a051bab",
    }


def test_S_HOOK_02_meta_signs_what_it_sends_escaped() -> None:
    body = write_meta(json.loads(CYRILLIC))
    assert body == CYRILLIC
    signature = sign_meta(SECRET, body)["X-Hub-Signature-256"]
    assert signature == "sha256=ec1a1b9b37d9fb8502f273fce0a2f7e8f3a414f029c0dd584dae7040a798da3d"


def test_S_HOOK_02_a_body_that_was_written_anew_has_another_signature() -> None:
    again = json.dumps(json.loads(CYRILLIC), ensure_ascii=False, separators=(",", ":")).encode()
    assert len(again) == 211
    wrong = "sha256=05b241a1d8f004b0f70a19b4c1c56091717b8ce9874a9f8f5fb8521346389c0d"
    assert sign_meta(SECRET, again)["X-Hub-Signature-256"] == wrong


def test_meta_escapes_four_signs_of_ascii_and_stays_the_same_json() -> None:
    said = {"text": "a/b <c> 100% d@e.example «ё»", "pair": "😀"}
    body = write_meta(said)
    assert rb"a\/b \u003Cc> 100\u0025 d\u0040e.example \u00ab\u0451\u00bb" in body
    assert json.loads(body) == said


def test_pywa_accepts_the_signature_and_no_other() -> None:
    header = sign_meta(SECRET, CYRILLIC)["X-Hub-Signature-256"]
    assert webhook_updates_validator(SECRET, CYRILLIC, header)
    assert not webhook_updates_validator(
        SECRET, CYRILLIC, sign_meta("other", CYRILLIC)["X-Hub-Signature-256"]
    )


def test_viber_writes_and_signs_utf8_to_the_byte() -> None:
    body = write_utf8(json.loads(STARTED))
    assert body == STARTED.encode()
    assert sign_viber(TOKEN, body) == "d22cca9728106e4f8ca5832fb813652a38bc4571b587cd14aa6af1bfac181b0f"


def test_viberbot_accepts_the_signature_and_no_other() -> None:
    logging.getLogger("viber.bot.api").setLevel(logging.CRITICAL)
    bot = Api(BotConfiguration(name="Shop", avatar="", auth_token=TOKEN))
    body = STARTED.encode()
    assert bot.verify_signature(body, sign_viber(TOKEN, body))
    assert not bot.verify_signature(body, sign_viber(f"{TOKEN}-wrong", body))


def test_the_proof_of_the_app_is_the_hmac_of_the_token() -> None:
    proof = "f395d02a0a17cd5f1ee56610f7771b70ed4da2c9ee53bb5de9e7da890286a56b"
    assert prove_app(SECRET, "EAAB-test-page-token") == proof
    assert hmac.digest(SECRET.encode(), b"EAAB-test-page-token", "sha256").hex() == proof
