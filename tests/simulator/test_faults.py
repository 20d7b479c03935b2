"""Each fault switch, with the log that lets a test count what was lost and what came twice."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from knopka.domain.errors import InvalidInput, NotFound
from knopka.simulator.accounts import Kind
from knopka.simulator.faults import OUTBOUND, READINGS, Trouble, parse_fault
from knopka.simulator.world import Chat
from tests.simulator.conftest import VIBER, Stage, shown
from tests.simulator.receiver import Received

pytestmark = pytest.mark.anyio

EVERY = pytest.mark.parametrize("kind", list(Kind))


def said(got: list[Received], text: str) -> list[Received]:
    """The pushes of one message; a text in ASCII stands in every platform's body as it is."""
    return [received for received in got if f'"{text}"'.encode() in received.body]


def signature(received: Received, kind: Kind) -> object:
    match kind:
        case Kind.TELEGRAM:
            return received.headers["x-telegram-bot-api-secret-token"]
        case Kind.MESSENGER:
            return received.headers["x-hub-signature-256"]
        case Kind.VIBER:
            return received.headers["x-viber-content-signature"]
        case Kind.VK:
            return received.json()["secret"]


@EVERY
async def test_duplicate_sends_five_copies_at_once(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    stage.fault("duplicate", platform=kind, times=1)
    stage.simulator.say(chat, "Five")
    stage.simulator.say(chat, "One")
    got = await stage.pushed()
    assert len({received.body for received in said(got, "Five")}) == 1
    assert (len(said(got, "Five")), len(said(got, "One"))) == (5, 1)


@EVERY
async def test_reorder_lets_the_next_event_overtake(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    stage.fault("reorder", platform=kind, times=1, seconds=60)
    stage.simulator.say(chat, "First")
    stage.simulator.say(chat, "Second")
    got = await stage.pushed()
    assert got.index(said(got, "First")[0]) > got.index(said(got, "Second")[0])


async def test_reorder_lets_go_when_nothing_overtakes(stage: Stage) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.fault("reorder", times=1, seconds=0.01)
    stage.simulator.say(chat, "First")
    assert len(said(await stage.pushed(), "First")) == 1


async def test_delay_holds_an_event_back(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    stage.fault("delay", platform="viber", times=1, seconds=60)
    stage.simulator.say(chat, "Later")
    with pytest.raises(TimeoutError):
        await stage.simulator.settled(0.05)
    assert stage.hook.got == []
    stage.fault("delay", platform="telegram", times=1, seconds=0.01)
    stage.simulator.say(await started(stage), "Soon")
    with pytest.raises(TimeoutError):
        await stage.simulator.settled(0.5)
    assert said(stage.hook.got, "Soon")


async def started(stage: Stage) -> Chat:
    await stage.connect_telegram()
    chat = stage.simulator.open_link(stage.person(), stage.link(Kind.TELEGRAM))
    stage.simulator.start(chat)
    return chat


@EVERY
async def test_a_wrong_signature_is_tried_again_with_the_right_one(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    right = signature((await pushes(stage, chat, "Before"))[0], kind)
    stage.fault("wrong_signature", platform=kind, times=1)
    refusals = iter([(403, "")])
    stage.hook.answer = lambda _: next(refusals, (200, "ok"))
    forged, genuine = await pushes(stage, chat, "Forged")
    assert signature(forged, kind) != signature(genuine, kind)
    if kind in (Kind.TELEGRAM, Kind.VK):
        assert signature(genuine, kind) == right


async def pushes(stage: Stage, chat: Chat, text: str) -> list[Received]:
    stage.simulator.say(chat, text)
    return said(await stage.pushed(), text)


@EVERY
async def test_an_answer_that_the_platform_does_not_see_is_an_event_that_comes_again(
    stage: Stage, kind: Kind
) -> None:
    chat = await stage.meet(kind)
    stage.fault("answer_unseen", platform=kind, times=2)
    got = await pushes(stage, chat, "Thrice")
    assert len(got) == 3
    assert len({received.body for received in got}) == 1
    log = [
        entry for entry in stage.simulator.show_log() if entry["text"] == "Thrice" and entry["what"] == "push"
    ]
    outcomes = ["200, not seen", "200, not seen", "200"]
    assert [entry["outcome"] for entry in log] == outcomes
    assert [entry["attempt"] for entry in log] == [1, 2, 3]
    assert len({entry["identity"] for entry in log}) == 1


TOLD: dict[Kind, dict[str, tuple[int, object]]] = {
    Kind.TELEGRAM: {
        "too_many": (429, 429),
        "flood": (429, 429),
        "server_error": (502, 502),
        "bad_token": (401, 401),
        "blocked_user": (403, 403),
        "window_closed": (403, 403),
    },
    Kind.MESSENGER: {
        "too_many": (400, 613),
        "flood": (400, 613),
        "server_error": (500, 2),
        "bad_token": (400, 190),
        "blocked_user": (400, 551),
        "window_closed": (400, 10),
    },
    Kind.VIBER: {
        "too_many": (200, 12),
        "flood": (200, 12),
        "server_error": (503, None),
        "bad_token": (200, 2),
        "blocked_user": (200, 6),
        "window_closed": (200, 6),
    },
    Kind.VK: {
        "too_many": (200, 6),
        "flood": (200, 9),
        "server_error": (502, None),
        "bad_token": (200, 5),
        "blocked_user": (200, 901),
        "window_closed": (200, 901),
    },
}


def code_of(answer: httpx.Response) -> object:
    if "json" not in answer.headers["content-type"]:
        return None
    body = answer.json()
    error = body.get("error", body)
    return error.get("error_code", error.get("code", error.get("status")))


@EVERY
async def test_a_refusal_shows_nothing_and_passes(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    for fault, told in TOLD[kind].items():
        stage.fault(fault, platform=kind, times=1, seconds=7)
        answer = await stage.send(chat, "Hi")
        assert (answer.status_code, code_of(answer)) == told, fault
        assert shown(chat) == []
    assert (await stage.send(chat, "Hi")).status_code == 200
    assert shown(chat) == ["Hi"]


async def test_telegram_says_when_to_come_again_in_the_body_and_the_header(stage: Stage) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.fault("too_many", seconds=7)
    answer = await stage.send(chat, "Hi")
    assert answer.json()["parameters"] == {"retry_after": 7}
    assert answer.headers["retry-after"] == "7"


@EVERY
async def test_an_answer_lost_after_the_message_was_shown(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    stage.fault("answer_lost", platform=kind, times=1)
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        await stage.send(chat, "Hi")
    assert shown(chat) == ["Hi"]
    assert stage.outcomes("call")[-1] == "ok, answer lost"


@EVERY
@pytest.mark.parametrize(
    ("fault", "seen", "outcome"),
    [
        ("timeout_after_accept", ["Hi"], "ok, never answered"),
        ("timeout_before_accept", [], "not taken, never answered"),
    ],
)
async def test_an_answer_that_never_comes(
    stage: Stage, kind: Kind, fault: str, seen: list[str], outcome: str
) -> None:
    chat = await stage.meet(kind)
    stage.fault(fault, platform=kind, times=1)
    stage.http.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        await stage.send(chat, "Hi")
    assert shown(chat) == seen
    assert stage.outcomes("call")[-1] == outcome


async def test_a_fault_meets_its_own_platform_account_and_method_alone(stage: Stage) -> None:
    chat = await stage.meet(Kind.TELEGRAM)
    stage.fault("too_many", platform="vk")
    stage.fault("too_many", platform="telegram", account="another_bot")
    stage.fault("server_error", platform="telegram", method="getchat")
    assert (await stage.send(chat, "Hi")).status_code == 200
    assert (await stage.telegram("getChat", chat_id=chat.user_id))["error_code"] == 502
    stage.fault("flood", method="*")
    assert (await stage.telegram("getMe"))["error_code"] == 429


async def test_a_revoked_token_is_revoked_for_every_call(stage: Stage) -> None:
    stage.fault("bad_token", platform="viber")
    answer = await stage.http.post("/viber/pa/get_account_info", json={"auth_token": VIBER.token})
    assert answer.json()["status"] == 2


async def test_a_fault_is_switched_off(stage: Stage) -> None:
    chat = await stage.meet(Kind.VIBER)
    faults = stage.simulator.faults
    fault = faults.switch_on(parse_fault({"fault": "too_many"}))
    faults.switch_off(fault.id)
    with pytest.raises(NotFound):
        faults.switch_off(fault.id)
    assert (await stage.send(chat, "Hi")).json()["status"] == 0


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"fault": "gremlins"},
        {"fault": "delay", "platform": "icq"},
        {"fault": "delay", "times": 0},
        {"fault": "delay", "times": True},
        {"fault": "delay", "seconds": -1},
        {"fault": "delay", "account": ""},
        {"fault": "delay", "often": 1},
    ],
)
def test_a_fault_that_cannot_be_read_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        parse_fault(given)
    assert parse_fault({"fault": "delay", "platform": "vk", "times": 1, "seconds": 0}).seconds == 0


async def test_the_number_of_faults_is_bounded(stage: Stage) -> None:
    for _ in range(100):
        stage.fault("delay")
    with pytest.raises(InvalidInput):
        stage.fault("delay")


def test_every_trouble_is_on_one_of_the_two_ways() -> None:
    assert len(OUTBOUND) == 9
    assert set(Trouble) - OUTBOUND == {
        Trouble.DUPLICATE,
        Trouble.REORDER,
        Trouble.DELAY,
        Trouble.WRONG_SIGNATURE,
        Trouble.ANSWER_UNSEEN,
    }


async def test_every_reading_can_be_chosen_and_no_other(stage: Stage) -> None:
    readings = stage.simulator.readings
    for name, choices in READINGS.items():
        assert readings.is_usual(name)
        for choice in choices:
            readings.choose(name, choice)
            assert readings.get(name) == choice
    with pytest.raises(InvalidInput):
        readings.choose("vk_ref", "sometimes")
    with pytest.raises(InvalidInput):
        readings.choose("icq_uin", "nine digits")
    readings.reset()
    assert all(readings.is_usual(name) for name in READINGS)


def test_the_page_of_the_docs_names_every_fault_and_reading() -> None:
    page = (Path(__file__).parents[2] / "docs/simulator.md").read_text()
    assert [fault for fault in Trouble if f"`{fault}`" not in page] == []
    rows = [line for line in page.splitlines() if line.startswith("| `") and "·" in line]
    documented = {
        row.split("`")[1]: tuple(one.strip() for one in row.split("|")[2].split("·")) for row in rows
    }
    assert documented == READINGS


@EVERY
async def test_the_log_counts_what_was_seen_and_what_was_called(stage: Stage, kind: Kind) -> None:
    chat = await stage.meet(kind)
    await stage.send(chat, "Hi")
    mine = stage.simulator.show_log(kind=kind, person=chat.person.number)
    [seen] = [entry for entry in mine if entry["what"] == "seen"]
    [call] = [entry for entry in mine if entry["what"] == "call"]
    assert (seen["text"], call["text"], call["outcome"]) == ("Hi", "Hi", "ok")
    assert seen["identity"] == call["identity"]
    done = [entry["name"] for entry in mine if entry["what"] == "did"]
    assert done == ["open", "start", "say"]
    assert stage.simulator.show_log(after=mine[-1]["number"]) == [
        entry for entry in stage.simulator.show_log() if entry["number"] > mine[-1]["number"]
    ]
