"""The messengers in the inbox: where a visitor writes, what became of an answer, the channels' settings."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.fake_inbox import FakeInbox, serve
from tests.browser.inbox_samples import Json, attachment
from tests.browser.test_inbox import DESKTOP, PHONE, card, composer, eventually, go_live, log, row
from tests.browser.until import until

MINUTE = 60_000
HOUR = 60 * MINUTE
HOSTILE = "<img src=x onerror=alert(1)>"
RTL = "\u202egnp.exe"

Open = Callable[..., Page]


@pytest.fixture
def inbox() -> Iterator[FakeInbox]:
    with serve(FakeInbox()) as fake:
        yield fake
        assert fake.reports == [], "the content security policy stopped something"


@pytest.fixture
def open_inbox(inbox: FakeInbox, page: Page) -> Iterator[Open]:
    """Opens a path of the inbox; a script error and a request to elsewhere fail the test."""
    faults: list[Any] = []
    page.on("pageerror", lambda error: faults.append(error))
    page.on("request", lambda sent: faults.append(sent.url) if not sent.url.startswith(inbox.url) else None)
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type] # a plain dict elsewhere

    def go(path: str = "/inbox/") -> Page:
        page.goto(inbox.url + path)
        return page

    yield go
    assert faults == []


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x4d\x5e\xd3" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def wav(seconds: float) -> bytes:
    """Silence, as a browser plays it."""
    data = bytes(int(8000 * seconds))
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8
    )
    return head + struct.pack("<4sI", b"data", len(data)) + data


def telegram(inbox: FakeInbox, name: str = "Ann", *texts: str, **news: Any) -> int:
    """A conversation in a Telegram bot that is connected."""
    number = next((n for n, c in inbox.channels.items() if c["kind"] == "telegram"), None)
    known = {"channel": "telegram", "channel_id": number or inbox.add_channel("telegram", "@shop_bot")}
    return inbox.add(name, *(texts or ("Hi",)), **{**known, "channel_title": "@shop_bot", **news})


def bubbles(page: Page) -> Locator:
    return log(page).locator(".message")


def head(page: Page) -> Locator:
    return page.locator("#conversation header")


def settled(page: Page) -> None:
    """The pictures are here, and a virtual list has measured its rows."""
    until(page, "[...document.images].every(image => image.complete || !image.checkVisibility())")
    until(
        page,
        "[...document.querySelectorAll('nav li')]"
        ".every(row => row.offsetParent === null || row.style.visibility !== 'hidden')",
    )


# --- where somebody writes -----------------------------------------------------------------------


def test_the_channel_stands_in_the_list_at_the_head_and_on_the_card(
    inbox: FakeInbox, open_inbox: Open
) -> None:
    ann = telegram(inbox)
    inbox.add("Bob", "Hey")
    page = open_inbox(f"/inbox/c/{ann}")
    for place in (row(page, "Ann"), head(page), card(page)):
        expect(place).to_contain_text("Telegram · @shop_bot")
        expect(place.locator(".mark.telegram")).to_have_text("T")
    expect(row(page, "Bob")).to_contain_text("Chat on the site")


def test_where_all_write_in_the_chat_on_the_site_no_row_says_so(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = inbox.add("Ann", "Hi")
    page = open_inbox(f"/inbox/c/{ann}")
    expect(head(page)).to_contain_text("Chat on the site")
    expect(row(page, "Ann")).not_to_contain_text("Chat on the site")


def test_an_unknown_visit_is_marked_until_it_becomes_known(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox, is_visit_unknown=True, page_url="")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(head(page).get_by_text("Visit unknown")).to_have_attribute("title", re.compile("button's link"))
    expect(card(page).get_by_text("Visit unknown")).to_be_visible()
    expect(card(page)).to_contain_text("did not come by the button's link")
    inbox.say(ann, "system", event={"kind": "joined"})
    inbox.change(ann, is_visit_unknown=False, page_url="https://shop.example/chairs")
    expect(page.get_by_text("Visit unknown")).to_have_count(0)
    expect(head(page).get_by_role("link", name="shop.example/chairs")).to_be_visible()
    expect(log(page)).to_contain_text("Became known: the visit of shop.example/chairs")


def test_a_persons_picture_comes_from_our_own_server_alone(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.files["avatar"] = ("image/png", png(64, 64))
    telegram(inbox, avatar_url="/inbox/api/contacts/1/avatar")
    telegram(inbox, "Bob", avatar_url="https://evil.example/bob.png")
    telegram(inbox, "Zoe", avatar_url="/inbox/api/contacts/9/avatar")
    page = open_inbox()
    expect(row(page, "Ann").locator(".avatar img")).to_be_visible()
    expect(row(page, "Bob").locator(".avatar")).to_have_text("B")
    expect(row(page, "Zoe").locator(".avatar")).to_have_text("Z")


# --- what became of an answer --------------------------------------------------------------------


def test_every_state_is_told_by_a_sign_and_in_words(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    states = ("waiting", "sent", "delivered", "read", "failed", "uncertain")
    for state in states:
        inbox.say(ann, "out", f"is {state}", state=state)
    page = open_inbox(f"/inbox/c/{ann}")
    names = ("On its way", "Sent", "Delivered", "Read", "Not sent", "Nobody knows whether it arrived")
    for state, name in zip(states, names, strict=True):
        sign = bubbles(page).filter(has_text=f"is {state}").locator(".meta .state")
        expect(sign).to_have_attribute("title", name)
        expect(sign.locator("svg")).to_be_visible()


def test_an_answer_goes_from_waiting_to_read_in_its_place(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="waiting")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    answer = bubbles(page).filter(has_text="Twelve.")
    expect(answer.locator(".state.waiting")).to_be_visible()
    for state in ("sent", "delivered", "read"):
        inbox.change_message(ann, 2, state=state)
        expect(answer.locator(f".state.{state}")).to_be_visible()
    expect(bubbles(page)).to_have_count(2)


def test_a_failed_answer_says_why_and_is_sent_again(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    error = {"code": "bad_request", "detail": f"Bad Request: {HOSTILE}"}
    inbox.say(ann, "out", "Twelve.", state="failed", error=error)
    page = open_inbox(f"/inbox/c/{ann}")
    failed = bubbles(page).filter(has_text="Twelve.")
    expect(failed).to_contain_text("Not sent. The messenger does not take this message.")
    expect(failed).to_contain_text(f"Bad Request: {HOSTILE}")
    failed.get_by_role("button", name="Send again").click()
    expect(failed.locator(".state.waiting")).to_be_visible()
    expect(failed.get_by_role("button")).to_have_count(0)
    assert len(inbox.written("resend$")) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("chat_gone", "The person has blocked us or left."),
        ("window_closed", "The time for answers was over."),
        ("channel_broken", "The channel does not work."),
        ("gave_up", "The messenger could not be reached for too long."),
        ("rejected", "The messenger refused it."),
        ("toString", "Not sent."),
    ],
)
def test_every_reason_has_its_words(code: str, words: str, inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="failed", error={"code": code, "detail": ""})
    page = open_inbox(f"/inbox/c/{ann}")
    expect(bubbles(page).filter(has_text="Twelve.")).to_contain_text(words)
    expect(bubbles(page)).not_to_contain_text(["function", "function"])


def test_an_uncertain_answer_is_sent_again_only_after_a_question(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="uncertain", error={"code": "uncertain", "detail": ""})
    page = open_inbox(f"/inbox/c/{ann}")
    doubtful = bubbles(page).filter(has_text="Twelve.")
    expect(doubtful).to_contain_text("The connection broke while it was being sent.")
    doubtful.get_by_role("button", name="Send again").click()
    question = doubtful.get_by_role("group", name="It may have arrived. Send again?")
    expect(question.get_by_role("button", name="Send again")).to_be_focused()
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert inbox.written("resend$") == []
    doubtful.get_by_role("button", name="Send again").click()
    question.get_by_role("button", name="Send again").click()
    expect(doubtful.locator(".state.waiting")).to_be_visible()
    assert len(inbox.written("resend$")) == 1


def test_sending_again_after_a_lost_answer_is_the_same_sending(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="failed")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail("resend$", 503)
    again = bubbles(page).get_by_role("button", name="Send again")
    again.click()
    expect(page.get_by_text("The server is busy.")).to_be_visible()
    again.click()
    expect(bubbles(page).locator(".state.waiting")).to_be_visible()
    first, second = inbox.written("resend$")
    assert first["key"] == second["key"]


def test_a_refused_sending_is_told_in_the_servers_words(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="failed")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail("resend$", 409, message="The time for answers is over.")
    bubbles(page).get_by_role("button", name="Send again").click()
    expect(page.get_by_text("The time for answers is over.")).to_be_visible()
    expect(bubbles(page).get_by_role("button", name="Send again")).to_be_enabled()


def test_an_answer_from_the_messengers_own_tools_says_so(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    author = {"kind": "operator", "name": None}
    inbox.say(ann, "out", "From my phone.", is_elsewhere=True, author=author)
    page = open_inbox(f"/inbox/c/{ann}")
    elsewhere = bubbles(page).filter(has_text="From my phone.")
    expect(elsewhere.locator(".author")).to_have_text("written in the messenger's own tools")


def test_an_edit_replaces_the_text_and_says_when(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox, "Ann", "Two chairs", "please")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page)).to_contain_text("Two chairs")
    inbox.change_message(ann, 1, text="Three chairs", edited_at=inbox.now())
    expect(log(page).locator(".bubble .rich")).to_have_text(["Three chairs", "please"])
    expect(bubbles(page).first).to_contain_text("edited ")
    expect(bubbles(page).last).not_to_contain_text("edited ")


def test_a_deleted_message_is_marked_and_kept(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox, "Ann", "My card is 1234")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page)).to_contain_text("My card")
    inbox.change_message(ann, 1, deleted_at=inbox.now())
    expect(bubbles(page)).to_contain_text(["The visitor deleted this message"])
    expect(bubbles(page).get_by_text("My card is 1234")).to_be_visible()


def test_lines_of_the_system_say_what_happened(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    page_of = {"page_url": "https://shop.example/chairs?a=1", "page_title": f"Chairs {HOSTILE}"}
    inbox.say(ann, "system", event={"kind": "opened", **page_of})
    inbox.say(ann, "system", event={"kind": "opened", "page_url": "", "page_title": ""})
    inbox.say(ann, "system", event={"kind": "opened", "page_url": "javascript:alert(1)", "page_title": ""})
    inbox.say(ann, "system", event={"kind": "opened", "page_url": "mailto:a@b.example", "page_title": ""})
    inbox.say(ann, "system", event={"kind": "blocked"})
    inbox.say(ann, "system", event={"kind": "unblocked"})
    inbox.say(ann, "system", event={"kind": "bot_told", "bot": "Tea bot", "text": f"Wants {HOSTILE}"})
    inbox.say(ann, "system", event={"kind": "news from next year"})
    page = open_inbox(f"/inbox/c/{ann}")
    lines = log(page).locator(".system")
    expect(lines).to_have_text(
        [
            f"Opened the chat from Chairs {HOSTILE}",
            "Opened the chat; the page is not known",
            "Opened the chat from javascript:alert(1)",
            "Opened the chat from mailto:a@b.example",
            "Blocked us: nothing can be sent",
            "Unblocked us: answers are possible again",
            f"Tea bot: Wants {HOSTILE}",
            "Service message",
        ]
    )
    expect(lines.get_by_role("link")).to_have_count(1)
    expect(lines.get_by_role("link")).to_have_attribute("href", page_of["page_url"])
    expect(row(page, "Ann")).to_contain_text("Service message")


# --- order and amount ----------------------------------------------------------------------------


def test_a_flood_of_states_ends_at_the_last_one_without_doubles(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    for number in range(40):
        inbox.say(ann, "out", f"answer {number}", state="waiting")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page).get_by_text("answer 39")).to_be_visible()
    for state in ("sent", "delivered", "read") * 5:
        for seq in range(2, 42):
            inbox.change_message(ann, seq, state=state)
    expect(log(page).locator(".state.read")).to_have_count(40)
    expect(bubbles(page)).to_have_count(41)
    seqs = bubbles(page).evaluate_all("nodes => nodes.map(node => Number(node.dataset.seq))")
    assert seqs == list(range(1, 42))


def test_what_changed_while_the_line_was_cut_is_read_again(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "out", "Twelve.", state="waiting")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page).locator(".state.waiting")).to_be_visible()
    inbox.change_message(ann, 2, silently=True, state="failed", error={"code": "rejected", "detail": ""})
    inbox.drop_sockets()
    expect(log(page).get_by_text("The messenger refused it.")).to_be_visible()


def test_what_changed_in_a_conversation_out_of_sight_is_read_when_it_is_opened(
    inbox: FakeInbox, open_inbox: Open
) -> None:
    ann, bob = telegram(inbox), telegram(inbox, "Bob")
    inbox.say(ann, "out", "Twelve.", state="waiting")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page).locator(".state.waiting")).to_be_visible()
    row(page, "Bob").click()
    expect(head(page)).to_contain_text("Bob")
    inbox.change_message(ann, 2, silently=True, state="read")
    inbox.say(bob, "in", "a sign", silently=True)
    inbox.drop_sockets()
    expect(log(page)).to_contain_text("a sign")
    row(page, "Ann").click()
    expect(log(page).locator(".state.read")).to_be_visible()


def test_an_answer_of_the_server_never_undoes_what_the_line_said_later(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    """The messenger takes the message before the browser has the answer to its own request."""
    ann = telegram(inbox)
    open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    said: list[Json] = []

    def late(route: Any) -> None:
        response = route.fetch()
        said.append(response.json())
        inbox.change_message(ann, 2, state="delivered")
        expect(log(page).locator(".state.delivered")).to_be_visible()
        route.fulfill(response=response)

    page.route(
        "**/messages", lambda route: late(route) if route.request.method == "POST" else route.continue_()
    )
    with page.expect_response(lambda answer: answer.request.method == "POST" and "messages" in answer.url):
        composer(page).fill("Twelve.")
        composer(page).press("Enter")
    expect(composer(page)).to_have_value("")
    inbox.say(ann, "in", "Thanks")
    expect(log(page)).to_contain_text("Thanks")
    expect(log(page).locator(".state.delivered")).to_be_visible()
    assert said[0]["state"] == "sent"


def test_a_change_far_above_does_not_pull_the_whole_history(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox, "Ann", *(f"message {number}" for number in range(1, 181)))
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page).get_by_text("message 180", exact=True)).to_be_in_viewport()
    # Once when it is opened, and once more when the line stands: what was said in between is missing else.
    path = f"GET /inbox/api/conversations/{ann}/messages"
    eventually(page, lambda: inbox.calls[path] == 2)
    inbox.change_message(ann, 3, text="message 3, edited", edited_at=inbox.now())
    inbox.say(ann, "in", "after it")
    expect(log(page)).to_contain_text("after it")
    expect(bubbles(page)).to_have_count(51)
    assert inbox.calls[path] == 2


# --- attachments ---------------------------------------------------------------------------------


def test_a_photo_stands_in_a_box_of_its_size_before_it_is_here(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    inbox.files["p1"] = ("image/png", png(400, 300))
    ann = telegram(inbox)
    photo = attachment("photo", "stored", url="/inbox/api/files/p1", width=400, height=300, name="chair.png")
    inbox.say(ann, "in", attachments=[photo])
    page.add_init_script(
        "new PerformanceObserver(list => { window.shifts = (window.shifts ?? 0) + list.getEntries().length })"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    held: list[Any] = []
    page.route("**/files/p1", lambda route: held.append(route))
    open_inbox(f"/inbox/c/{ann}")
    picture = log(page).get_by_role("button", name="Enlarge: Photo: chair.png")
    expect(picture).to_be_visible()
    before = picture.bounding_box()
    eventually(page, lambda: bool(held))
    shifts = page.evaluate("window.shifts ?? 0")
    held[0].continue_()
    settled(page)
    assert picture.bounding_box() == before
    assert before is not None
    assert (before["width"], before["height"]) == (264, 198)
    assert page.evaluate("window.shifts ?? 0") == shifts


def test_a_photo_opens_large_and_the_focus_comes_back(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.files["p1"] = ("image/png", png(800, 600))
    ann = telegram(inbox)
    photo = attachment("photo", "stored", url="/inbox/api/files/p1", width=800, height=600, name="chair.png")
    inbox.say(ann, "in", "Like this", attachments=[photo])
    page = open_inbox(f"/inbox/c/{ann}")
    picture = log(page).get_by_role("button", name="Enlarge")
    picture.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Photo: chair.png")
    expect(dialog.get_by_role("img", name="Photo: chair.png")).to_be_visible()
    expect(dialog.get_by_role("link", name="Download")).to_have_attribute("download", "chair.png")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(picture).to_be_focused()


def test_voice_and_video_are_played_from_our_own_server(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.files["a1"] = ("audio/wav", wav(0.2))
    ann = telegram(inbox)
    voice = attachment("voice", "stored", url="/inbox/api/files/a1")
    video = attachment("video", "stored", url="/inbox/api/files/v1", width=640, height=480)
    inbox.say(ann, "in", attachments=[voice, video])
    page = open_inbox(f"/inbox/c/{ann}")
    player = log(page).locator("audio")
    expect(player).to_be_visible()
    expect(log(page).locator("video, .line.bad")).to_have_count(1)
    played = player.evaluate(
        "async audio => { audio.muted = true; await audio.play(); return !audio.paused }"
    )
    assert played is True


def test_a_file_is_a_download_with_its_name_and_size(inbox: FakeInbox, open_inbox: Open, page: Page) -> None:
    inbox.files["f1"] = ("application/pdf", b"%PDF-1.4 a price list")
    ann = telegram(inbox)
    file = attachment("file", "stored", url="/inbox/api/files/f1", name="price list.pdf", size=1_300_000)
    inbox.say(ann, "in", attachments=[file])
    open_inbox(f"/inbox/c/{ann}")
    link = log(page).get_by_role("link", name="price list.pdf")
    expect(link).to_contain_text("1.2 MB")
    with page.expect_download() as got:
        link.click()
    assert got.value.suggested_filename == "price list.pdf"


def test_what_is_being_fetched_says_so_until_it_is_here(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.files["p1"] = ("image/png", png(40, 30))
    ann = telegram(inbox)
    inbox.say(
        ann, "in", attachments=[attachment("photo", "waiting"), attachment("file", "waiting", name="a.pdf")]
    )
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page)).to_contain_text("Photo: is being fetched…")
    expect(log(page)).to_contain_text("File: is being fetched…a.pdf")
    here = attachment("photo", "stored", url="/inbox/api/files/p1", width=40, height=30)
    lost = attachment("file", "failed", name="a.pdf", reason="too_large")
    inbox.change_message(ann, 2, attachments=[here, lost])
    expect(log(page).get_by_role("button", name="Enlarge: Photo")).to_be_visible()
    expect(log(page)).to_contain_text("File: could not be fetched. It is too large.")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("wrong_type", "Files of this type are not taken."),
        ("gone", "The messenger no longer has it."),
        ("quota", "Too much was sent in one day."),
        ("broken", "It cannot be read."),
    ],
)
def test_a_file_that_could_not_be_fetched_says_why(
    reason: str, words: str, inbox: FakeInbox, open_inbox: Open
) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "in", attachments=[attachment("video", "failed", reason=reason)])
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text(f"Video: could not be fetched. {words}")


def test_places_people_stickers_and_links_are_words(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(
        ann,
        "in",
        attachments=[
            attachment("location", title="Our office", latitude=55.75, longitude=37.6),
            attachment("contact", title="Bob", phone="+7 912 345-67-89"),
            attachment("link", title="https://shop.example/chairs"),
            attachment("sticker", title="👍"),
        ],
    )
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("Our office")
    expect(log(page)).to_contain_text("55.750000, 37.600000")
    expect(log(page).get_by_role("link", name="Show on the map")).to_have_attribute(
        "href", "https://www.openstreetmap.org/?mlat=55.750000&mlon=37.600000"
    )
    expect(log(page).get_by_role("link", name="+7 912 345-67-89")).to_have_attribute(
        "href", "tel:+79123456789"
    )
    link = log(page).get_by_role("link", name="https://shop.example/chairs")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    expect(log(page).locator(".sign")).to_have_text("👍")


def test_a_picture_that_is_gone_says_so(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.say(ann, "in", attachments=[attachment("photo", "stored", url="/inbox/api/files/none")])
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("This cannot be shown. It may have been deleted.")


def test_garbage_in_attachments_is_named_and_breaks_nothing(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    garbage: list[Any] = [
        None,
        7,
        [],
        {},
        attachment("hologram", "stored", url="/inbox/api/files/x"),
        attachment("photo", "stored", url="https://evil.example/track.png"),
        attachment("photo", "stored", url="//evil.example/track.png"),
        attachment("photo", "stored", url="/inbox/api/files/../../sign-out"),
        attachment("photo", "stored", url=None),
        attachment("location", latitude="55", longitude=1e300),
        attachment("location", latitude=91, longitude=0),
        attachment("file", "stored", url="/inbox/api/files/f1", size=-5, name=None),
        attachment("toString", "waiting"),
        attachment("file", "failed", reason="constructor"),
        attachment("photo", "melting"),
    ]
    inbox.say(ann, "in", "before", attachments=garbage)
    inbox.say(ann, "in", "between", attachments="none at all")
    inbox.say(ann, "in", "after", attachments=None)
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("after")
    expect(log(page).get_by_text("An attachment that cannot be shown here")).to_have_count(9)
    expect(log(page).locator("img")).to_have_count(0)
    expect(log(page)).not_to_contain_text("native code")


def test_hostile_names_and_addresses_stay_text(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.files["f1"] = ("text/plain", b"x")
    ann = telegram(inbox, f"\u202eAnn {HOSTILE}", channel_title=f"\u202e@bot {HOSTILE}")
    inbox.say(
        ann,
        "in",
        attachments=[
            attachment("link", title="javascript:alert(1)"),
            attachment("link", title="java\tscript:alert(1)"),
            attachment("link", title="data:text/html,<script>alert(1)</script>"),
            attachment("file", "stored", url="/inbox/api/files/f1", name=f"{HOSTILE}{RTL}"),
            attachment("contact", title=f"\u202e{HOSTILE}", phone="javascript:alert(1)"),
        ],
    )
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("javascript:alert(1)")
    links = log(page).get_by_role("link")
    expect(links).to_have_count(1)
    expect(links).to_have_attribute("download", f"{HOSTILE}gnp.exe")
    expect(links.locator("bdi")).to_have_text(f"{HOSTILE}gnp.exe")
    expect(page.locator("img")).to_have_count(0)
    for place in (row(page, "Ann"), head(page), card(page)):
        assert "\u202e" not in place.inner_text()
        expect(place.locator(".channel bdi")).to_have_text(f"@bot {HOSTILE}")


# --- the window for answers ----------------------------------------------------------------------


def test_the_time_for_answers_counts_down_warns_and_closes(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    window = {"kind": "closes", "ends_at": inbox.now() + 3 * HOUR + 12 * MINUTE + 30_000, "late_until": None}
    ann = inbox.add("Ann", "Hi", channel="messenger", window=window)
    page.clock.install()
    open_inbox(f"/inbox/c/{ann}")
    left = page.locator("#conversation").get_by_role("timer")
    expect(left).to_have_text(re.compile(r"Answers are possible for 3 h 12 min more"))
    expect(left).not_to_have_class(re.compile("soon"))
    go_live(page)
    composer(page).fill("half an ans")
    inbox.clock_ahead_ms = 2 * HOUR + 13 * MINUTE
    page.clock.run_for(26_000)
    expect(left).to_have_text(re.compile(r"Answers are possible for 59 min \d\d s more"))
    expect(left).to_have_class(re.compile("soon"))
    inbox.clock_ahead_ms = 4 * HOUR
    page.clock.run_for(26_000)
    expect(left).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="Messenger takes no answers any more")).to_contain_text(
        "The next message opens this again."
    )
    expect(composer(page)).to_be_disabled()
    expect(composer(page)).to_have_value("half an ans")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    composer(page).press("Enter")
    inbox.change(ann, window={"kind": "closes", "ends_at": inbox.now() + 24 * HOUR, "late_until": None})
    expect(composer(page)).to_be_editable()
    expect(left).to_have_text(re.compile("Answers are possible for 2[34] h"))
    assert inbox.texts(ann) == ["Hi"]


def test_after_the_window_a_person_may_still_answer(inbox: FakeInbox, open_inbox: Open) -> None:
    window = {"kind": "closes", "ends_at": inbox.now() - HOUR, "late_until": inbox.now() + 5 * 24 * HOUR}
    ann = inbox.add("Ann", "Hi", channel="messenger", window=window)
    page = open_inbox(f"/inbox/c/{ann}")
    expect(page.get_by_text("Only answers by a person until")).to_be_visible()
    composer(page).fill("Still here.")
    composer(page).press("Enter")
    expect(log(page).locator(".state.sent")).to_be_visible()


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (2 * HOUR + MINUTE, "Answers are free for 2 h 00 min more; after that Viber charges for them"),
        (-HOUR, "Viber charges for an answer now."),
    ],
)
def test_an_answer_that_costs_is_a_warning_and_no_wall(
    ahead: int, words: str, inbox: FakeInbox, open_inbox: Open
) -> None:
    window = {"kind": "costs", "ends_at": inbox.now() + ahead, "late_until": None}
    ann = inbox.add("Ann", "Hi", channel="viber", window=window)
    page = open_inbox(f"/inbox/c/{ann}")
    expect(page.locator("#conversation").get_by_text(words)).to_be_visible()
    expect(composer(page)).to_be_editable()


def test_who_has_blocked_us_can_be_sent_nothing_until_he_writes(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(composer(page)).to_be_editable()
    inbox.change(ann, chat_gone="blocked")
    banner = page.get_by_text("The person has blocked us; nothing can be sent until they write again.")
    expect(banner).to_be_visible()
    expect(composer(page)).to_be_disabled()
    inbox.change(ann, chat_gone=None)
    inbox.visitor_writes(ann, "I am back")
    expect(banner).to_have_count(0)
    expect(composer(page)).to_be_editable()


def test_typing_is_told_to_a_messenger_not_more_than_every_four_seconds(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    ann, bob = telegram(inbox), inbox.add("Bob", "Hey")
    told: list[str] = []
    page.on("request", lambda sent: told.append(sent.url) if sent.url.endswith("/typing") else None)
    page.clock.install()
    open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    page.clock.pause_at(page.evaluate("Date.now() + 1_000"))
    composer(page).press_sequentially("Hello")
    eventually(page, lambda: inbox.typed == [ann])
    page.clock.run_for(3_900)
    composer(page).press_sequentially("!")
    assert len(told) == 1
    page.clock.run_for(200)
    composer(page).press_sequentially("!")
    eventually(page, lambda: inbox.typed == [ann, ann])
    row(page, "Bob").click()
    composer(page).press_sequentially("Hello")
    eventually(page, lambda: inbox.typed == [ann, ann, bob])
    assert len(told) == 2, "the chat on the site is told by the socket"


# --- broken channels -----------------------------------------------------------------------------

BROKEN = {
    "code": "unauthorised",
    "message": "The token is no longer valid.",
    "fix": "Ask @BotFather for a new one.",
    "detail": "401 Unauthorized",
    "at": 1_764_100_000_000,
}


def test_a_channel_that_breaks_is_told_over_the_inbox_and_in_its_conversations(
    inbox: FakeInbox, open_inbox: Open
) -> None:
    ann = telegram(inbox)
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    over = page.get_by_role("complementary", name="Broken channels")
    expect(over).to_have_count(0)
    inbox.change_channel(1, state="broken", last_error=BROKEN)
    expect(over).to_contain_text("Telegram @shop_bot has not worked since")
    banner = page.locator("#conversation").get_by_text("Telegram does not work at the moment")
    expect(banner.get_by_role("link", name="To its settings")).to_have_attribute(
        "href", "/inbox/settings/channels/1"
    )
    expect(composer(page)).to_be_editable()
    inbox.change_channel(1, state="ok", last_error=None)
    expect(over).to_have_count(0)
    expect(banner).to_have_count(0)
    inbox.change_channel(1, state="broken", last_error=BROKEN)
    over.get_by_role("link", name="To its settings").click()
    expect(page.get_by_role("heading", name="Telegram @shop_bot")).to_be_focused()
    page.get_by_role("link", name="Back to the inbox").click()
    expect(page).to_have_url(f"{inbox.url}/inbox/c/{ann}")


def test_many_broken_channels_are_one_line(inbox: FakeInbox, open_inbox: Open) -> None:
    for kind in ("telegram", "viber", "vk"):
        inbox.add_channel(kind, "one", state="broken", last_error=BROKEN)
    page = open_inbox()
    over = page.get_by_role("complementary", name="Broken channels")
    expect(over).to_contain_text("2 more do not work.")
    expect(over.get_by_role("link")).to_have_attribute("href", "/inbox/settings/channels")


def test_a_channel_that_is_off_is_told_in_its_conversations(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    inbox.channels[1]["state"] = "off"
    page = open_inbox(f"/inbox/c/{ann}")
    expect(page.get_by_text("Telegram is switched off; nothing comes in")).to_be_visible()


def test_a_server_without_channels_is_no_trouble(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.fail("^GET channels$", 404, times=99)
    ann = telegram(inbox, channel_state="broken")
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("Hi")
    expect(page.get_by_text("Telegram does not work at the moment")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_flood_of_channel_news_costs_few_readings(inbox: FakeInbox, open_inbox: Open) -> None:
    telegram(inbox)
    page = open_inbox()
    go_live(page)
    before = inbox.calls["GET /inbox/api/channels"]
    for number in range(100):
        inbox.change_channel(1, state="broken" if number % 2 else "ok", last_error=BROKEN)
    expect(page.get_by_role("complementary", name="Broken channels")).to_be_visible()
    assert inbox.calls["GET /inbox/api/channels"] - before <= 3


# --- settings ------------------------------------------------------------------------------------


def item(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name)


def test_the_settings_are_reached_by_menu_key_and_palette(inbox: FakeInbox, open_inbox: Open) -> None:
    ann = telegram(inbox)
    page = open_inbox(f"/inbox/c/{ann}")
    heading = page.get_by_role("heading", name="Channels", exact=True)
    expect(log(page)).to_contain_text("Hi")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("dialog").get_by_role("link", name="Channels").click()
    expect(heading).to_be_focused()
    expect(page).to_have_title("Channels · knopka")
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{inbox.url}/inbox/c/{ann}")
    expect(row(page, "Ann")).to_be_focused()
    page.keyboard.press("c")
    expect(heading).to_be_focused()
    page.go_back()
    expect(log(page)).to_contain_text("Hi")
    page.keyboard.press("Control+k")
    page.keyboard.type("settings of the ch")
    page.keyboard.press("Enter")
    expect(heading).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("e")
    assert inbox.conversations[ann]["status"] == "open"


def test_without_channels_the_page_says_what_to_do(inbox: FakeInbox, open_inbox: Open) -> None:
    page = open_inbox("/inbox/settings/channels")
    expect(page.get_by_text("No messenger is connected yet")).to_be_visible()
    page.get_by_role("button", name="VK").click()
    expect(page.get_by_role("heading", name="Connect VK")).to_be_visible()
    expect(page.get_by_label("Id of the community")).to_be_focused()


def test_a_channel_is_connected_by_its_form(inbox: FakeInbox, open_inbox: Open) -> None:
    telegram(inbox)
    page = open_inbox("/inbox/settings/channels")
    page.get_by_role("link", name="Add a channel").click()
    page.get_by_role("button", name="VK").click()
    page.get_by_role("button", name="Connect").click()
    group, token = page.get_by_label("Id of the community"), page.get_by_label("Token")
    expect(page.get_by_text("This is needed")).to_have_count(2)
    expect(group).to_be_focused()
    expect(token).to_have_attribute("type", "password")
    expect(token).to_have_attribute("autocomplete", "off")
    expect(token).to_have_accessible_description(re.compile("Made under API usage"))
    group.fill(" 12345 ")
    token.fill("vk1.a.secret-9876")
    page.get_by_label("Only on these").check()
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("Choose at least one button")).to_be_visible()
    page.get_by_label("Blog").check()
    page.get_by_role("button", name="Connect").click()
    made = item(page, "VK @new_bot")
    expect(made).to_contain_text("The token is good.")
    expect(made).to_contain_text("Blog")
    expect(made.get_by_role("heading", name="VK @new_bot")).to_be_focused()
    (body,) = inbox.written("^POST channels$")
    assert body == {
        "key": body["key"],
        "kind": "vk",
        "values": {"group_id": "12345", "token": "vk1.a.secret-9876"},
        "source_ids": [2],
    }
    assert "secret" not in page.content()


def test_faults_stand_at_their_fields_and_nothing_is_lost(inbox: FakeInbox, open_inbox: Open) -> None:
    page = open_inbox("/inbox/settings/channels")
    page.get_by_role("button", name="Viber").click()
    token, sender = page.get_by_label("Token"), page.get_by_label("Name of the sender")
    token.fill("wrong")
    sender.fill("Shop")
    told = (
        ("$.values.token", "Viber does not know this token."),
        ("$.source_ids[0]", "There is no such button."),
        ("$.elsewhere", "And one thing more."),
    )
    page.get_by_label("Only on these").check()
    page.get_by_label("Blog").check()
    inbox.fail("^POST channels$", 400, faults=told)
    page.get_by_role("button", name="Connect").click()
    expect(token).to_have_accessible_description(re.compile("Viber does not know this token"))
    expect(token).to_be_focused()
    expect(token).to_have_attribute("aria-invalid", "true")
    expect(sender).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_text("There is no such button.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text("And one thing more.")
    expect(sender).to_have_value("Shop")
    page.get_by_role("button", name="Connect").click()
    expect(item(page, "Viber @new_bot")).to_be_visible()
    first, second = inbox.written("^POST channels$")
    assert first["key"] != second["key"]


def test_while_it_connects_the_page_says_so_and_a_lost_answer_makes_no_second_channel(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    held: list[Any] = []
    page.route("**/api/channels", lambda r: held.append(r) if r.request.method == "POST" else r.continue_())
    open_inbox("/inbox/settings/channels")
    page.get_by_role("button", name="Telegram").click()
    page.get_by_label("Token").fill("123:abc")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_role("status").filter(has_text="Connecting to Telegram.")).to_be_visible()
    expect(page.get_by_role("button", name="Connect")).to_be_disabled()
    eventually(page, lambda: len(held) == 1)
    held[0].abort()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    page.get_by_role("button", name="Connect").click()
    eventually(page, lambda: len(held) == 2)
    keys = {route.request.post_data_json["key"] for route in held}
    held[1].continue_()
    expect(item(page, "Telegram @new_bot")).to_be_visible()
    assert len(keys) == 1


def test_a_channel_tells_its_state_its_fault_and_the_remedy(inbox: FakeInbox, open_inbox: Open) -> None:
    warned = {
        "level": "warning",
        "code": "x",
        "message": "The webhook is slow.",
        "fix": "Look at the proxy.",
        "detail": HOSTILE,
    }
    inbox.add_channel(
        "telegram",
        "@shop_bot",
        state="broken",
        last_error=BROKEN,
        findings=[warned],
        waiting=3,
        last_event_at=None,
    )
    inbox.add_channel("vk", "Shop", is_polling=True, source_ids=[2])
    page = open_inbox("/inbox/settings/channels")
    broken = item(page, "Telegram @shop_bot")
    for words in ("Does not work", "The token is no longer valid.", "Ask @BotFather for a new one."):
        expect(broken).to_contain_text(words)
    for words in ("401 Unauthorized", "The webhook is slow.", "Look at the proxy.", HOSTILE):
        expect(broken).to_contain_text(words)
    expect(broken).to_contain_text("3 messages wait to be sent")
    expect(broken).to_contain_text("Nothing has come yet")
    works = item(page, "VK Shop")
    expect(works).to_contain_text("Works")
    expect(works).to_contain_text("Blog")
    expect(works).to_contain_text("Events are asked for")
    broken.get_by_role("button", name="Check again").click()
    expect(broken).to_contain_text("The webhook is set.")
    expect(broken.get_by_role("status")).to_have_text("Checked.")
    expect(broken).not_to_contain_text("no longer valid")


def test_a_fault_is_not_told_twice(inbox: FakeInbox, open_inbox: Open) -> None:
    same = {"level": "broken", **{name: text for name, text in BROKEN.items() if name != "at"}}
    inbox.add_channel("telegram", "@shop_bot", state="broken", last_error=BROKEN, findings=[same])
    page = open_inbox("/inbox/settings/channels")
    expect(page.get_by_text("The token is no longer valid.")).to_have_count(1)


def test_link_and_webhook_address_are_copied(inbox: FakeInbox, open_inbox: Open, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    inbox.add_channel("telegram", "@shop_bot")
    open_inbox("/inbox/settings/channels")
    page.get_by_role("button", name="Copy: Link for visitors").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "https://t.example/telegram?start=code"
    page.get_by_role("button", name="Copy: Address for the messenger's events").click()
    eventually(page, lambda: "hook" in page.evaluate("navigator.clipboard.readText()"))


def test_without_a_clipboard_the_text_is_selected(inbox: FakeInbox, open_inbox: Open, page: Page) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    open_inbox("/inbox/settings/channels")
    page.get_by_role("button", name="Copy: Link for visitors").click()
    expect(page.get_by_text("The text is selected: press Ctrl+C.")).to_be_visible()
    expect(page.get_by_label("Link for visitors", exact=True)).to_be_focused()
    assert page.evaluate("getSelection().toString()") == "https://t.example/telegram?start=code"


def test_a_test_message_goes_to_the_newest_conversation(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    page = open_inbox("/inbox/settings/channels")
    tested = item(page, "Telegram @shop_bot")
    tested.get_by_role("button", name="Send a test message").click()
    expect(tested.get_by_role("alert")).to_have_text("Nobody has written there yet.")
    ann = telegram(inbox)
    tested.get_by_role("button", name="Send a test message").click()
    expect(tested.get_by_role("status")).to_contain_text("The test message is on its way.")
    tested.get_by_role("link", name="Show it").click()
    expect(log(page)).to_contain_text("A test.")
    expect(page).to_have_url(f"{inbox.url}/inbox/c/{ann}")


def test_an_edit_sends_only_what_changed_and_an_empty_secret_is_kept(
    inbox: FakeInbox, open_inbox: Open
) -> None:
    inbox.add_channel("viber", "Shop", values={"sender_name": "Shop"}, secrets={"token": "…9876"})
    page = open_inbox("/inbox/settings/channels")
    edited = item(page, "Viber Shop")
    edited.get_by_role("button", name="Edit").click()
    token = edited.get_by_label("Token")
    expect(token).to_have_value("")
    expect(token).to_have_attribute("placeholder", "…9876")
    expect(token).to_have_accessible_description(re.compile("An empty field keeps it"))
    edited.get_by_label("Name of the sender").fill("The shop")
    edited.get_by_role("button", name="Save").click()
    expect(edited.locator(".said")).to_have_text("Saved.")
    expect(edited.get_by_role("button", name="Edit")).to_be_focused()
    (body,) = inbox.written("^PATCH channels/1$")
    assert body == {"key": body["key"], "values": {"sender_name": "The shop"}, "source_ids": None}
    assert inbox.channels[1]["secrets"] == {"token": "…9876"}


def test_a_channel_is_switched_off_and_on(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    page = open_inbox("/inbox/settings/channels")
    turned = item(page, "Telegram @shop_bot")
    turned.get_by_role("button", name="Switch off").click()
    expect(turned.locator(".chip")).to_have_text("Switched off")
    expect(turned.get_by_role("button", name="Send a test message")).to_have_count(0)
    turned.get_by_role("button", name="Switch on").click()
    expect(turned.locator(".chip")).to_have_text("Works")
    assert [body["is_enabled"] for body in inbox.written("^PATCH")] == [False, True]


def test_removing_is_asked_first(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    page = open_inbox("/inbox/settings/channels")
    item(page, "Telegram @shop_bot").get_by_role("button", name="Remove").click()
    dialog = page.get_by_role("dialog", name="Remove Telegram @shop_bot?")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(inbox.channels) == 1
    item(page, "Telegram @shop_bot").get_by_role("button", name="Remove").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The channel is removed.")).to_be_visible()
    expect(page.get_by_text("No messenger is connected yet")).to_be_visible()
    expect(page.get_by_role("heading", name="Channels", exact=True)).to_be_focused()
    assert inbox.channels == {}


def test_what_breaks_elsewhere_changes_on_the_settings_page(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    page = open_inbox("/inbox/settings/channels")
    expect(item(page, "Telegram @shop_bot").locator(".chip")).to_have_text("Works")
    inbox.change_channel(1, state="broken", last_error=BROKEN)
    expect(item(page, "Telegram @shop_bot").locator(".chip")).to_have_text("Does not work")


def test_settings_that_cannot_be_read_can_be_asked_for_again(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.add_channel("telegram", "@shop_bot")
    inbox.fail("^GET channels$", 500, times=99)
    page = open_inbox("/inbox/settings/channels")
    retry = page.get_by_role("button", name="Try again")
    page.wait_for_load_state("networkidle")  # the start asks more than once
    expect(retry).to_be_visible()
    inbox.faults.clear()
    retry.click()
    expect(item(page, "Telegram @shop_bot")).to_be_visible()


def test_S_OUT_05_hostile_titles_stay_text_on_the_settings_page(inbox: FakeInbox, open_inbox: Open) -> None:
    inbox.sources[1]["name"] = f"\u202e{HOSTILE}"
    inbox.add_channel(
        "telegram",
        f"\u202e{HOSTILE}",
        source_ids=[2],
        link="javascript:alert(1)",
        state="broken",
        last_error=BROKEN,
    )
    page = open_inbox("/inbox/settings/channels")
    shown = page.get_by_role("article")
    expect(shown.get_by_role("heading").first).to_have_text(f"Telegram {HOSTILE}")
    expect(shown).to_contain_text(HOSTILE)
    expect(shown.get_by_role("link")).to_have_count(0)
    assert "\u202e" not in shown.inner_text()
    expect(page.locator("img")).to_have_count(0)


# --- for every eye -------------------------------------------------------------------------------


def full_account(inbox: FakeInbox) -> None:
    """A bit of everything: each state, each attachment, a broken channel, a closed window."""
    inbox.files.update(
        p1=("image/png", png(400, 300)), a1=("audio/wav", wav(2)), f1=("application/pdf", b"%PDF-1.4")
    )
    inbox.add_channel("telegram", "@shop_bot", state="broken", last_error=BROKEN, waiting=3)
    found = [
        {"level": "ok", "code": "a", "message": "The token is good.", "fix": "", "detail": ""},
        {
            "level": "warning",
            "code": "b",
            "message": "The page has no Get Started button.",
            "fix": "Press «Check again»; it is set then.",
            "detail": "(#100) No matching user found",
        },
    ]
    inbox.add_channel(
        "messenger", "Chairs & Co", state="warning", findings=found, secrets={"app_secret": "…77fe"}
    )
    inbox.add_channel("viber", "chairs", state="off", source_ids=[2], values={"sender_name": "Shop"})
    ann = telegram(
        inbox, "Ann", "Do you have chairs?", channel_state="broken", is_visit_unknown=True, page_url=""
    )
    inbox.say(
        ann, "system", event={"kind": "opened", "page_url": "https://shop.example/a", "page_title": "Chairs"}
    )
    stored = {"state": "stored"}
    photo = attachment("photo", **stored, url="/inbox/api/files/p1", width=400, height=300, name="chair.png")
    inbox.say(ann, "in", "Like this one", attachments=[photo])
    inbox.say(
        ann,
        "in",
        attachments=[
            attachment("voice", **stored, url="/inbox/api/files/a1"),
            attachment(
                "file", **stored, url="/inbox/api/files/f1", name="plan of the flat.pdf", size=1_300_000
            ),
            attachment("location", title="Our office", latitude=55.75, longitude=37.6),
            attachment("contact", title="محمد علي", phone="+7 912 345-67-89"),
            attachment("photo", "waiting", width=300, height=90),
            attachment("video", "failed", reason="too_large", name="walk.mp4"),
        ],
    )
    inbox.say(ann, "in", "My card is 1234", deleted_at=inbox.now())
    inbox.say(ann, "in", "Three chairs", edited_at=inbox.now())
    for state in ("waiting", "sent", "delivered", "read"):
        inbox.say(ann, "out", f"Answer {state}", state=state)
    inbox.say(ann, "out", "Elsewhere", is_elsewhere=True, author={"kind": "operator", "name": None})
    error = {"code": "bad_request", "detail": "Bad Request: message is too long"}
    inbox.say(ann, "out", "Failed", state="failed", error=error)
    inbox.say(ann, "out", "Doubtful", state="uncertain", error={"code": "uncertain", "detail": ""})
    shut = {"kind": "closes", "ends_at": inbox.now() - HOUR, "late_until": None}
    inbox.add(
        "Bob", "Anyone there?", channel="messenger", channel_id=2, channel_title="Chairs & Co", window=shut
    )
    soon = {"kind": "costs", "ends_at": inbox.now() + 30 * MINUTE, "late_until": None}
    inbox.add("Zoe", "Hello", channel="viber", channel_id=3, channel_title="chairs", window=soon)


def start_form(page: Page) -> None:
    page.locator("button", has=page.locator(".mark.viber")).click()
    expect(page.locator("form")).to_be_visible()
    page.locator("form button[type=submit]").click()
    expect(page.locator(".fault").first).to_be_visible()


def start_edit(page: Page) -> None:
    page.locator("article").nth(1).locator(".buttons button").nth(2).click()
    expect(page.locator("form")).to_be_visible()


def enlarge(page: Page) -> None:
    page.locator(".picture").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def ask_again(page: Page) -> None:
    page.locator(".remedy button").last.click()
    expect(page.locator(".ask")).to_be_visible()


def nothing(_page: Page) -> None:
    """The view as it opens."""


VIEWS: dict[str, tuple[str, Callable[[Page], None]]] = {
    "conversation": ("/inbox/c/1", nothing),
    "question": ("/inbox/c/1", ask_again),
    "picture": ("/inbox/c/1", enlarge),
    "card": ("/inbox/c/1/card", nothing),
    "list": ("/inbox/", nothing),
    "closed window": ("/inbox/c/2", nothing),
    "paid window": ("/inbox/c/3", nothing),
    "channels": ("/inbox/settings/channels", nothing),
    "edit": ("/inbox/settings/channels", start_edit),
    "kinds": ("/inbox/settings/channels/new", nothing),
    "form": ("/inbox/settings/channels/new", start_form),
}


def show(page: Page, fake: FakeInbox, view: str) -> None:
    path, act = VIEWS[view]
    page.goto(fake.url + path)
    expect(page.get_by_role("main").locator(".row, .panel, article, .card h3").first).to_be_attached()
    expect(page.locator(".skeleton")).to_have_count(0)
    # The list of the channels comes last: as the line over the inbox, or as the page itself.
    expect(page.locator("aside, .panel, article").locator("visible=true").first).to_be_visible()
    act(page)
    settled(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "ru"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_of_the_messengers_has_an_accessibility_fault(
    view: str, locale: str, theme: Any, browser: Browser
) -> None:
    with serve(FakeInbox(locale=locale)) as fake:
        full_account(fake)
        context = browser.new_context(color_scheme=theme, viewport=DESKTOP, reduced_motion="reduce")  # type: ignore[arg-type] # a plain dict elsewhere
        page = context.new_page()
        show(page, fake, view)
        rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
        found = Axe().run(page, options={"runOnly": rules}).response["violations"]
        assert [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]] == []
        context.close()
        assert fake.reports == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_runs_over_the_edge_of_a_phone(view: str, browser: Browser) -> None:
    with serve(FakeInbox(locale="ru")) as fake:
        full_account(fake)
        context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
        page = context.new_page()
        show(page, fake, view)
        wide = page.evaluate(
            """() => [...document.querySelectorAll("body *")].filter(node => {
              const box = node.getBoundingClientRect();
              return box.width > 1 && box.height > 1 && box.right > innerWidth + 1 && node.checkVisibility()
                && !node.closest(".tabs, .cut, .unseen, .skip");
            }).map(node => node.outerHTML.slice(0, 120))"""
        )
        assert wide == []
        context.close()


def test_on_a_phone_a_conversation_goes_to_the_settings_and_back(
    inbox: FakeInbox, open_inbox: Open, page: Page
) -> None:
    ann = telegram(inbox, channel_state="off")
    inbox.channels[1]["state"] = "off"
    open_inbox(f"/inbox/c/{ann}")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type] # a plain dict elsewhere
    page.get_by_role("link", name="To its settings").click()
    expect(page.get_by_role("heading", name="Telegram @shop_bot")).to_be_focused()
    page.get_by_role("link", name="Back to the inbox").click()
    expect(log(page)).to_be_visible()
