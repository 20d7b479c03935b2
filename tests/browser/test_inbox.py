"""The operators' inbox in a browser, against a stand-in of its API: what is seen, done and survived."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Dialog, Locator, Page, Route, WebSocketRoute, expect

from tests.browser.fake_inbox import FakeInbox, serve
from tests.browser.inbox_samples import Json
from tests.browser.test_garbage import LONGEST_TIMER_MS, WATCH_TIMERS
from tests.browser.until import until

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
FULL = """
Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
"""


@pytest.fixture
def inbox() -> Iterator[FakeInbox]:
    with serve(FakeInbox()) as fake:
        yield fake
        assert fake.reports == [], "the content security policy stopped something"


@pytest.fixture
def open_inbox(inbox: FakeInbox, page: Page) -> Iterator[Callable[..., Page]]:
    """Opens a path of the inbox; a script error of the page fails the test."""
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]

    def go(path: str = "/inbox/") -> Page:
        page.goto(inbox.url + path)
        return page

    yield go
    assert errors == []


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("tabpanel").get_by_role("link").filter(has_text=name)


def composer(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Your answer")


def log(page: Page) -> Locator:
    return page.get_by_role("log", name="Messages")


def eventually(page: Page, is_so: Callable[[], bool]) -> None:
    """What the screen shows at once reaches the server a moment later."""
    for _ in range(300):
        if is_so():
            return
        page.evaluate("() => new Promise(done => requestAnimationFrame(done))")
    assert is_so()


def go_live(page: Page) -> None:
    expect(page.locator(".state.live")).to_be_attached()


# --- reading and answering -------------------------------------------------------------------


def test_an_answer_appears_once_and_shows_how_far_it_came(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "Do you have chairs?", unread=1)
    page = open_inbox()
    row(page, "Ann").click()
    expect(log(page)).to_contain_text("Do you have chairs?")
    composer(page).fill("Yes,\ntwelve.")
    composer(page).press("Enter")
    expect(log(page).get_by_text("twelve.")).to_have_count(1)
    expect(log(page).locator(".state.sent")).to_be_visible()
    expect(composer(page)).to_have_value("")
    inbox.visitor_reads(ann)
    expect(log(page).locator(".state.read")).to_be_visible()
    assert inbox.texts(ann) == ["Do you have chairs?", "Yes,\ntwelve."]


def test_shift_enter_makes_a_new_line(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "Hi")
    page = open_inbox(f"/inbox/c/{ann}")
    composer(page).press_sequentially("one")
    composer(page).press("Shift+Enter")
    composer(page).press_sequentially("two")
    expect(composer(page)).to_have_value("one\ntwo")
    assert inbox.texts(ann) == ["Hi"]


def test_a_new_message_moves_its_row_up_and_is_counted(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "First")
    inbox.add("Bob", "Second")
    page = open_inbox()
    go_live(page)
    rows = page.get_by_role("tabpanel").get_by_role("link")
    expect(rows).to_contain_text(["Bob", "Ann"])
    inbox.visitor_writes(ann, "Are you there?")
    expect(rows).to_contain_text(["Ann", "Bob"])
    expect(row(page, "Ann")).to_contain_text("1 unread message")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    row(page, "Ann").click()
    expect(row(page, "Ann")).not_to_contain_text("unread")
    expect(page).to_have_title(re.compile(r"^Ann"))


def test_a_conversation_of_a_new_visitor_appears_by_itself(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    page = open_inbox()
    go_live(page)
    expect(page.get_by_text("All answered")).to_be_visible()
    zoe = inbox.add("Zoe", unread=0)
    inbox.visitor_writes(zoe, "Hello")
    expect(row(page, "Zoe")).to_contain_text("Hello")
    expect(page).to_have_title(re.compile(r"^\(1\) "))


def test_what_is_open_and_in_sight_is_read_and_what_is_not_stays_unread(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one", "two", unread=1)
    bob = inbox.add("Bob", "three", unread=1)
    page = open_inbox(f"/inbox/c/{ann}")
    expect(page.get_by_text("New messages")).to_be_visible()
    expect(row(page, "Ann")).not_to_contain_text("unread")
    expect(row(page, "Bob")).to_contain_text("1 unread message")
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    eventually(page, lambda: inbox.conversations[ann]["operator_read_seq"] == 2)
    assert inbox.conversations[bob]["operator_read_seq"] == 0


def test_history_is_loaded_upwards_and_stays_where_it_was(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", *(f"message {number}" for number in range(1, 181)))
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page).get_by_text("message 180", exact=True)).to_be_in_viewport()
    assert log(page).get_by_text("message 100", exact=True).count() == 0
    for oldest in (81, 31, 1):
        top = log(page).locator("[data-seq]").first
        log(page).evaluate("node => { node.scrollTop = 0 }")
        expect(log(page).get_by_text(f"message {oldest}", exact=True)).to_be_attached()
        assert top.count() == 1
    expect(log(page).get_by_text("The conversation begins here")).to_be_attached()
    seqs = (
        log(page).locator("[data-seq]").evaluate_all("nodes => nodes.map(node => Number(node.dataset.seq))")
    )
    assert seqs == list(range(1, 181))


def test_what_was_on_the_screen_stays_there_when_older_messages_come(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", *(f"message {number}" for number in range(1, 181)))
    page = open_inbox(f"/inbox/c/{ann}")
    expect(log(page).get_by_text("message 180", exact=True)).to_be_in_viewport()
    seen = log(page).get_by_text("message 135", exact=True)
    log(page).evaluate("node => { node.scrollTop = 200 }")
    expect(log(page).get_by_text("message 90", exact=True)).to_be_attached()
    expect(seen).to_be_in_viewport()


def test_who_reads_above_is_not_moved_but_told_of_new_messages(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", *(f"message {number}" for number in range(1, 41)))
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(log(page).get_by_text("message 40", exact=True)).to_be_in_viewport()
    log(page).evaluate("node => { node.scrollTop = 0 }")
    expect(page.get_by_role("button", name="To the newest message")).to_be_visible()
    inbox.visitor_writes(ann, "one more")
    expect(page.get_by_role("button", name="1 new message")).to_be_visible()
    expect(log(page).get_by_text("message 1", exact=True)).to_be_in_viewport()
    expect(row(page, "Ann")).to_contain_text("1 unread message")
    page.get_by_role("button", name="1 new message").click()
    expect(log(page).get_by_text("one more")).to_be_in_viewport()
    expect(row(page, "Ann")).not_to_contain_text("unread")


def test_typing_is_told_both_ways(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "Hi")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    inbox.visitor_types(ann)
    expect(page.get_by_text("Ann is typing…")).to_be_visible()
    inbox.visitor_writes(ann, "Hello?")
    expect(page.get_by_text("Ann is typing…")).not_to_be_visible()
    composer(page).press_sequentially("Hello!")
    expect(composer(page)).to_have_value("Hello!")
    inbox.visitor_writes(ann, "seen")
    expect(log(page).get_by_text("seen")).to_be_visible()
    assert inbox.typed == [ann]


def test_a_draft_survives_another_conversation_and_a_reload(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann, bob = inbox.add("Ann", "Hi"), inbox.add("Bob", "Hey")
    page = open_inbox(f"/inbox/c/{ann}")
    composer(page).fill("half an ans")
    row(page, "Bob").click()
    expect(composer(page)).to_have_value("")
    expect(row(page, "Ann")).to_contain_text("Draft: half an ans")
    page.reload()
    row(page, "Ann").click()
    expect(composer(page)).to_have_value("half an ans")
    assert inbox.texts(ann) == ["Hi"]
    assert inbox.texts(bob) == ["Hey"]


# --- trouble -----------------------------------------------------------------------------------


def test_a_cut_connection_is_bridged_without_loss_or_doubles(
    inbox: FakeInbox, open_inbox: Callable[..., Page], context: BrowserContext
) -> None:
    ann = inbox.add("Ann", "before")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    context.set_offline(True)
    inbox.drop_sockets()
    expect(page.locator(".state.offline")).to_be_attached()
    for number in range(3):
        inbox.visitor_writes(ann, f"during {number}")
    zoe = inbox.add("Zoe")
    inbox.visitor_writes(zoe, "I am new")
    composer(page).fill("written offline")
    composer(page).press("Enter")
    expect(log(page).get_by_text("Waits for the connection")).to_be_visible()
    context.set_offline(False)
    expect(log(page).locator(".author", has_text="You")).to_be_attached()
    expect(log(page).locator(".bubble .rich")).to_have_text(
        ["before", "during 0", "during 1", "during 2", "written offline"]
    )
    expect(row(page, "Zoe")).to_contain_text("I am new")
    go_live(page)
    assert inbox.texts(ann)[-1] == "written offline"
    assert len(inbox.texts(ann)) == 5


def test_messages_whose_events_were_lost_are_fetched_when_the_next_one_shows_the_gap(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    inbox.visitor_writes(ann, "two", silently=True)
    inbox.visitor_writes(ann, "three", silently=True)
    inbox.visitor_writes(ann, "four")
    expect(log(page).locator(".bubble .rich")).to_have_text(["one", "two", "three", "four"])


def test_a_dropped_socket_comes_back_by_itself(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    inbox.visitor_writes(ann, "two", silently=True)
    inbox.drop_sockets()
    expect(log(page).locator(".bubble .rich")).to_have_text(["one", "two"])
    go_live(page)
    inbox.visitor_writes(ann, "three")
    expect(log(page).locator(".bubble .rich")).to_have_text(["one", "two", "three"])


def test_without_sockets_the_changes_are_asked_for(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.accepts_sockets = False
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    expect(page.locator(".state.polling")).to_be_attached(timeout=20_000)
    inbox.visitor_writes(ann, "two")
    expect(log(page).locator(".bubble .rich")).to_have_text(["one", "two"], timeout=15_000)


def test_an_answer_whose_reply_was_lost_is_not_sent_twice(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    inbox.fail(r"^POST conversations/\d+/messages$", 503, times=2, works=True)
    composer(page).fill("once")
    composer(page).press("Enter")
    expect(log(page).locator(".state.sent")).to_be_visible(timeout=15_000)
    expect(log(page).get_by_text("once", exact=True)).to_have_count(1)
    assert inbox.texts(ann) == ["one", "once"]


def test_a_refused_answer_says_so_and_can_be_sent_again(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail(r"^POST conversations/\d+/messages$", 400)
    composer(page).fill("try me")
    composer(page).press("Enter")
    expect(log(page).get_by_text("Not sent")).to_be_visible()
    expect(log(page).get_by_text("Not this time.")).to_be_visible()
    log(page).get_by_role("button", name="Send again").click()
    expect(log(page).locator(".state.sent")).to_be_visible()
    assert inbox.texts(ann) == ["one", "try me"]


def test_an_unsent_answer_survives_a_reload(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail(r"^POST conversations/\d+/messages$", 503, times=1)
    composer(page).fill("keep me")
    composer(page).press("Enter")
    expect(log(page).get_by_text("Waits for the connection")).to_be_visible()
    page.goto(inbox.url + "/inbox/")
    row(page, "Ann").click()
    expect(log(page).locator(".state.sent")).to_be_visible()
    assert inbox.texts(ann) == ["one", "keep me"]


def test_a_list_that_cannot_be_loaded_says_what_to_do(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    inbox.add("Ann", "one")
    inbox.accepts_sockets = False
    inbox.fail(r"^GET conversations$", 500, times=99)
    page = open_inbox()
    retry = page.get_by_role("navigation").get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    inbox.faults.clear()
    retry.click()
    expect(row(page, "Ann")).to_be_visible()


def test_an_ended_sign_in_leads_to_the_sign_in_page_and_back(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    ann = inbox.add("Ann", "one")
    with page.expect_response(re.compile("limit=1$")):  # the last request of the start
        open_inbox(f"/inbox/c/{ann}")
    composer(page).fill("too late")
    inbox.signed_in = False
    composer(page).press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url.endswith("/inbox/sign-in?next=%2Finbox%2Fc%2F1")
    inbox.signed_in = True
    page.goto(inbox.url + "/inbox/c/1")
    expect(log(page).get_by_text("too late")).to_be_visible()
    expect(log(page).locator(".state.sent")).to_be_visible()


# --- text from outside -------------------------------------------------------------------------


def test_text_from_outside_is_only_text(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    script = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    ann = inbox.add(
        f"\u202eAnn{script}", f"{script} javascript:alert(3) https://ok.example/a).", "\u202egnp.exe"
    )
    page = open_inbox(f"/inbox/c/{ann}")
    dialogs: list[Dialog] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    expect(log(page)).to_contain_text(script)
    links = log(page).get_by_role("link")
    expect(links).to_have_count(1)
    expect(links).to_have_attribute("href", "https://ok.example/a")
    expect(links).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    assert "\u202e" not in page.locator("#conversation").get_by_role("heading").inner_text()
    assert page.locator("img").count() == 0
    assert dialogs == []


# --- the card ------------------------------------------------------------------------------------


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="Card")


def test_fields_are_shown_by_their_type(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    shown = card(page)

    def value(name: str) -> Locator:
        return (
            shown.locator("dl > div")
            .filter(has=page.locator("dt", has_text=re.compile(rf"^{name}$")))
            .locator(":scope > dd")
        )

    expect(value("Phone").get_by_role("link")).to_have_attribute("href", "tel:+79123456789")
    expect(value("Phone")).to_contain_text("work")
    expect(value("Phone").get_by_text("by courier")).to_be_visible()
    expect(value("E-mail").get_by_role("link")).to_have_attribute("href", "mailto:ann@shop.example")
    expect(value("Gift wrap")).to_have_text("Yes")
    expect(value("Urgent")).to_have_text("No")
    expect(value("Weight, kg")).to_have_text("1,250.5")
    expect(value("Size")).to_have_text("Large")
    expect(value("Interests").locator(".chip")).to_have_text(["Chairs", "Tables"])
    expect(value("Delivery day")).to_have_text("March 13, 2026")
    expect(value("Call at")).to_have_text("Mar 13, 2026, 1:00 PM")
    expect(value("Birthday")).to_have_text("May 10, 1990")
    expect(value("Product page").get_by_role("link")).to_have_attribute(
        "href", "https://shop.example/chairs/17"
    )
    expect(value("Bad link").get_by_role("link")).to_have_count(0)
    expect(value("Wishes")).to_have_text("Two floors,\nno lift.", use_inner_text=True)
    expect(value("Insured for")).to_have_text("₽10,500.50")
    expect(value("Address").locator("bdi")).to_have_text(["Lenina 1", "Казань", "Russia"])
    expect(value("Company")).to_contain_text("Company")
    expect(value("Company")).to_contain_text("7700000000")
    expect(value("Budget")).to_contain_text("₽999")
    tracking = shown.locator("section", has=page.get_by_role("heading", name="Where from"))
    expect(tracking).to_contain_text("spring_chairs")
    expect(tracking).to_contain_text("https://search.example/?q=chair")


def test_a_phone_that_the_page_gave_is_shown_as_unverified(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    shown, mark = card(page), page.get_by_text("unverified", exact=True)
    expect(mark).to_have_count(1)
    expect(shown.locator("dl > div").filter(has=mark).locator("dt")).to_have_text("Phone")
    expect(mark).to_have_attribute("title", re.compile("page sent"))


def test_what_the_site_sent_stands_with_its_verdicts_in_words(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    sent = card(page).locator("section", has=page.get_by_role("heading", name="What the site sent"))
    expect(sent).to_contain_text("4 taken, 2 refused")
    phone = sent.get_by_role("listitem").filter(has_text="Phone")
    expect(phone).to_contain_text("+7 912 345-67-89 (12345)")
    expect(phone).to_contain_text("Filled")
    refused = sent.get_by_role("listitem").filter(has_text="Budget")
    expect(refused).to_contain_text("Refused: filled already")
    expect(refused).to_contain_text("The lead already has a budget.")


def test_the_window_counts_down_by_the_servers_clock_and_closes(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    ann = inbox.add("Ann", "one")
    page.clock.install()
    open_inbox(f"/inbox/c/{ann}")
    timer = card(page).get_by_role("timer")
    expect(timer).to_have_text(re.compile(r"^23 h 59 min$"))
    go_live(page)
    # The demo's clock leaps, this computer's does not: the next heartbeat tells.
    inbox.clock_ahead_ms = 60_000
    page.clock.run_for(26_000)
    expect(timer).to_have_text(re.compile(r"^23 h 58 min$"))
    inbox.clock_ahead_ms = 24 * 3600 * 1000
    page.clock.run_for(26_000)
    expect(card(page).get_by_text("The site can no longer fill this card")).to_be_visible()


def test_a_change_of_the_card_is_seen_at_once(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    expect(card(page)).to_contain_text("Lead 1")
    inbox.change_card(ann, lambda changed: changed["lead"].update(name="Twelve chairs"))
    expect(card(page)).to_contain_text("Twelve chairs")


def test_names_and_price_are_edited_in_place_and_undone(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    card(page).get_by_role("button", name="Edit: Budget").click()
    field = card(page).get_by_role("textbox", name="Budget")
    expect(field).to_be_focused()
    field.fill("a lot")
    field.press("Enter")
    expect(card(page).get_by_text("A whole number from 0 is needed")).to_be_visible()
    field.fill("12 990")
    field.press("Enter")
    expect(card(page)).to_contain_text("₽12,990")
    eventually(page, lambda: inbox.cards[ann]["lead"]["price"] == 12_990)
    page.get_by_role("button", name="Undo").click()
    expect(card(page)).to_contain_text("₽999")
    expect(page.get_by_text("Restored.")).to_be_visible()
    eventually(page, lambda: inbox.cards[ann]["lead"]["price"] == 999)
    card(page).get_by_role("button", name="Edit: Name of the contact").click()
    name = card(page).get_by_role("textbox", name="Name of the contact")
    name.fill("Ann Smith")
    name.press("Enter")
    expect(card(page).get_by_role("button", name="Edit: Name of the contact")).to_be_focused()
    expect(page.get_by_text("Saved.")).to_be_visible()
    eventually(page, lambda: inbox.cards[ann]["contact"]["name"] == "Ann Smith")


def test_a_refused_edit_is_taken_back_and_told(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail(r"^PATCH", 409)
    card(page).get_by_role("button", name="Edit: Name of the lead").click()
    field = card(page).get_by_role("textbox", name="Name of the lead")
    field.fill("Mine")
    field.press("Enter")
    expect(page.get_by_text("Somebody changed this in the meantime.")).to_be_visible()
    expect(card(page)).to_contain_text("Lead 1")


def test_a_note_is_added_once_also_when_its_answer_is_lost(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail(r"^POST leads/\d+/notes$", 503, works=True)
    card(page).get_by_role("button", name="Add a note").click()
    field = card(page).get_by_role("textbox", name="Add a note")
    expect(field).to_be_focused()
    field.fill("Call on Monday")
    card(page).get_by_label("the contact").check()
    card(page).get_by_role("button", name="Save").click()
    expect(card(page).get_by_text("The server is busy.")).to_be_visible()
    card(page).get_by_role("button", name="Save").click()
    expect(card(page).get_by_role("listitem").filter(has_text="Call on Monday")).to_have_count(1)
    assert [n["entity_type"] for n in inbox.cards[ann]["notes"] if "Call" in n["params"]["text"]] == [
        "contacts"
    ]


def test_an_unsorted_lead_is_accepted_into_a_pipeline_and_a_stage(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one", unsorted="unsorted")
    page = open_inbox()
    page.get_by_role("tab", name="Unsorted").click()
    row(page, "Ann").click()
    card(page).get_by_role("button", name="Accept").click()
    dialog = page.get_by_role("dialog", name="Accept the lead")
    expect(dialog.get_by_label("Stage").get_by_role("option")).to_have_text(
        ["First contact", "Offer sent", "Won", "Lost"]
    )
    dialog.get_by_label("Stage").select_option("Offer sent")
    dialog.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("The lead is accepted.")).to_be_visible()
    expect(card(page)).to_contain_text("Sales · Offer sent")
    expect(page.get_by_text("Nothing to sort")).to_be_visible()
    assert inbox.cards[ann]["unsorted"]["state"] == "accepted"


def test_declining_is_asked_first_because_it_cannot_be_undone(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one", unsorted="unsorted")
    page = open_inbox(f"/inbox/c/{ann}")
    card(page).get_by_role("button", name="Decline").click()
    dialog = page.get_by_role("dialog", name="Decline the lead?")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Cancel").click()
    assert inbox.cards[ann]["unsorted"]["state"] == "unsorted"
    expect(card(page).get_by_role("button", name="Decline")).to_be_focused()
    card(page).get_by_role("button", name="Decline").click()
    dialog.get_by_role("button", name="Decline the lead").click()
    expect(page.get_by_text("The lead is declined.")).to_be_visible()
    expect(card(page)).to_contain_text("Declined")
    assert inbox.cards[ann]["unsorted"]["state"] == "declined"


# --- lists ---------------------------------------------------------------------------------------


def test_every_list_says_why_it_is_empty(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    page = open_inbox()
    empty = ("Open", "All answered"), ("Unsorted", "Nothing to sort")
    for name, text in (*empty, ("Closed", "Nothing closed yet"), ("All", "No conversations yet")):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel").get_by_text(text)).to_be_visible()
    expect(page.get_by_text("No conversation is open")).to_be_visible()
    expect(card(page).get_by_text("No card yet")).to_be_visible()
    assert inbox.calls["GET /inbox/api/unsorted"] >= 1


def test_a_long_list_is_loaded_page_by_page_and_holds_few_rows(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    for number in range(160):
        inbox.add(f"Visitor {number:03}", "Hi")
    page = open_inbox()
    expect(row(page, "Visitor 159")).to_be_visible()
    panel = page.get_by_role("tabpanel")
    expect(row(page, "Visitor 110")).to_have_count(0)
    for name in ("Visitor 110", "Visitor 060", "Visitor 010", "Visitor 000"):
        panel.evaluate("node => { node.scrollTop = node.scrollHeight }")
        while row(page, name).count() == 0:
            panel.evaluate("node => { node.scrollTop += 600 }")
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => done()))")
            if panel.evaluate("node => node.scrollTop + node.clientHeight >= node.scrollHeight - 1"):
                panel.evaluate("node => { node.scrollTop -= 1200 }")
    assert panel.get_by_role("link").count() < 60


def test_the_filter_narrows_the_loaded_list(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.add("Ann", "about chairs")
    inbox.add("Bob", "about tables")
    page = open_inbox()
    expect(row(page, "Bob")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("CHAIR")
    expect(page.get_by_role("tabpanel").get_by_role("link")).to_have_count(1)
    expect(row(page, "Ann")).to_be_visible()
    page.keyboard.type("s and more")
    expect(page.get_by_text("Nothing found in the loaded list")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("tabpanel").get_by_role("link")).to_have_count(2)


def test_a_closed_conversation_leaves_the_list_and_comes_back_by_undo(
    inbox: FakeInbox, open_inbox: Callable[..., Page]
) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    page.get_by_role("button", name="Done").click()
    expect(row(page, "Ann")).to_have_count(0)
    expect(page.get_by_text("The conversation is closed.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "Ann")).to_be_visible()
    eventually(page, lambda: inbox.conversations[ann]["status"] == "open")


def test_a_refused_closing_is_taken_back(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann = inbox.add("Ann", "one")
    page = open_inbox(f"/inbox/c/{ann}")
    inbox.fail(r"close$", 500)
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_text("The server could not do this.")).to_be_visible()
    expect(row(page, "Ann")).to_be_visible()


# --- keyboard ------------------------------------------------------------------------------------


def test_a_day_of_work_needs_no_pointer(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    ann, bob = inbox.add("Ann", "one"), inbox.add("Bob", "two")
    page = open_inbox()
    expect(row(page, "Bob")).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, "Bob")).to_be_focused()
    page.keyboard.press("j")
    expect(row(page, "Ann")).to_be_focused()
    page.keyboard.press("k")
    expect(row(page, "Bob")).to_be_focused()
    page.keyboard.press("Enter")
    expect(log(page).get_by_text("two")).to_be_visible()
    page.keyboard.press("r")
    expect(composer(page)).to_be_focused()
    page.keyboard.type("jeknr?")
    expect(composer(page)).to_have_value("jeknr?")
    page.keyboard.press("Escape")
    expect(row(page, "Bob")).to_be_focused()
    page.keyboard.press("n")
    expect(card(page).get_by_role("textbox", name="Add a note")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+E")
    expect(log(page).get_by_text("one")).to_be_visible()
    expect(row(page, "Bob")).to_have_count(0)
    page.keyboard.press("e")
    expect(page.get_by_text("All answered")).to_be_visible()
    eventually(page, lambda: all(inbox.conversations[id_]["status"] == "closed" for id_ in (ann, bob)))


def test_keys_work_under_a_russian_layout(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.add("Ann", "one")
    page = open_inbox()
    expect(row(page, "Ann")).to_be_visible()
    press = (
        "code => key => document.body.dispatchEvent(new KeyboardEvent('keydown', {code, key, bubbles: true}))"
    )
    page.evaluate(f"({press})('KeyJ')('о')")
    expect(row(page, "Ann")).to_be_focused()


def test_letter_keys_can_be_switched_off(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.add("Ann", "one")
    page = open_inbox()
    expect(row(page, "Ann")).to_be_visible()
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    help_.get_by_label("Single-letter keys").uncheck()
    page.keyboard.press("Escape")
    expect(help_).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(row(page, "Ann")).not_to_be_focused()
    expect(help_).to_have_count(0)
    page.reload()
    expect(row(page, "Ann")).to_be_visible()
    page.keyboard.press("j")
    expect(row(page, "Ann")).not_to_be_focused()


def test_the_palette_finds_commands_and_people(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.add("Ann", "one")
    inbox.add("Bob", "two")
    page = open_inbox()
    expect(row(page, "Ann")).to_be_visible()
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Commands")
    expect(field).to_be_focused()
    page.keyboard.type("bob")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(log(page).get_by_text("two")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("answer")
    page.keyboard.press("Enter")
    expect(composer(page)).to_be_focused()


# --- phone ---------------------------------------------------------------------------------------


def test_a_phone_shows_one_pane_at_a_time(inbox: FakeInbox, open_inbox: Callable[..., Page]) -> None:
    inbox.add("Ann", "one")
    page = open_inbox()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    expect(page.locator("#conversation")).not_to_be_visible()
    row(page, "Ann").click()
    expect(page.get_by_role("navigation")).not_to_be_visible()
    expect(page.get_by_role("region", name="Ann").get_by_role("heading")).to_be_focused()
    page.get_by_role("link", name="Show the card").click()
    expect(page.locator("#conversation")).not_to_be_visible()
    expect(card(page).get_by_role("heading", name="Card")).to_be_focused()
    card(page).get_by_role("link", name="Back").click()
    expect(log(page).get_by_text("one")).to_be_visible()
    page.go_back()
    page.go_back()
    page.go_back()
    expect(row(page, "Ann")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


# --- garbage in the storage, on the line, in answers ------------------------------------------


def test_a_draft_is_kept_where_the_storage_is_full(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    inbox.add("Ann", "One")
    inbox.add("Bob", "Two")
    page.add_init_script(FULL)
    open_inbox()
    row(page, "Ann").click()
    composer(page).fill("Half an answer")
    row(page, "Bob").click()
    expect(composer(page)).to_have_value("")
    row(page, "Ann").click()
    expect(composer(page)).to_have_value("Half an answer")


def test_garbage_in_the_storage_hides_no_conversation(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    ann = inbox.add("Ann", "One")
    page.add_init_script(
        f"""for (const [i, text] of ['{{}}', 'null', '"', '"x"', '5', '[]', '{{"__proto__":1}}',
              '{{"key":"k","text":"t","created_at":9e99}}',
              '{{"key":1,"text":{{}},"created_at":1}}'].entries())
              for (const at of ["{ann}", "x", "-1", "__proto__"])
                localStorage.setItem(`knopka.inbox.unsent.7.${{at}}.${{i}}`, text);
            for (const name of ["theme", "locale", "letters", "draft.7.x"])
              localStorage.setItem(`knopka.inbox.${{name}}`, "constructor");"""
    )
    open_inbox(f"/inbox/c/{ann}")
    expect(log(page)).to_contain_text("One")
    composer(page).fill("Two")
    composer(page).press("Enter")
    expect(log(page).locator(".state.sent")).to_be_visible()
    assert inbox.texts(ann) == ["One", "Two"]


def test_garbage_on_the_line_is_passed_over(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    lines: list[WebSocketRoute] = []

    def join(line: WebSocketRoute) -> None:
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile(r"/live$"), join)
    ann = inbox.add("Ann", "One")
    open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    for text in ("garbage", "null", "[]", "7", '"', "", '{"type":"__proto__"}', '{"type":"of tomorrow"}'):
        lines[0].send(text)
    inbox.visitor_writes(ann, "Two")
    expect(log(page)).to_contain_text("Two")


@pytest.mark.parametrize(
    "answer",
    [{"status": 204}, {"json": None}, {"json": {}}, {"json": []}, {"body": "<h1>Hotel WLAN</h1>"}],
    ids=["nothing", "null", "no names", "a list", "a page"],
)
@pytest.mark.parametrize("path", ["me", "conversations?*", "leads/*"])
def test_an_answer_that_says_nothing_can_be_asked_for_again(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page, path: str, answer: dict[str, Any]
) -> None:
    ann = inbox.add("Ann", "One")
    page.route(f"**/inbox/api/{path}", lambda route: route.fulfill(**answer))
    open_inbox(f"/inbox/c/{ann}/card" if path == "leads/*" else f"/inbox/c/{ann}")
    again = page.get_by_role("button", name="Try again")
    expect(again.first).to_be_visible()
    page.unroute_all()
    # What heals by itself in this moment has no button left to press.
    again.evaluate_all("buttons => buttons.forEach(button => button.click())")
    expect(again).to_have_count(0)
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_wait_of_weeks_is_no_flood_of_answers(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    tries: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        tries.append(route.request.url)
        route.fulfill(status=429, headers={"Retry-After": "3000000"}, json={})

    page.add_init_script(WATCH_TIMERS)
    page.route("**/messages", refuse)
    ann = inbox.add("Ann", "One")
    open_inbox(f"/inbox/c/{ann}")
    composer(page).fill("Two")
    composer(page).press("Enter")
    until(page, "delays.some((delay) => delay > 600_000)")
    assert max(page.evaluate("delays")) <= LONGEST_TIMER_MS
    assert len(tries) == 1


def test_a_line_that_was_ended_for_a_sign_out_comes_back_after_a_new_sign_in(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page
) -> None:
    lines: list[WebSocketRoute] = []

    def join(line: WebSocketRoute) -> None:
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile(r"/live$"), join)
    ann = inbox.add("Ann", "One")
    open_inbox(f"/inbox/c/{ann}")
    go_live(page)
    lines[0].close(code=4401)
    eventually(page, lambda: len(lines) > 1)
    go_live(page)
    inbox.visitor_writes(ann, "Two")
    expect(log(page)).to_contain_text("Two")


@pytest.mark.parametrize("path", ["toString", "constructor", "__proto__"])
def test_a_path_that_every_object_has_is_shown_as_it_was_sent(
    inbox: FakeInbox, open_inbox: Callable[..., Page], page: Page, path: str
) -> None:
    ann = inbox.add("Ann", "One")

    def send(card: Json) -> None:
        card["site_data"] = [{**card["site_data"][0], "path": path, "value": json.loads('{"__proto__": 1}')}]

    inbox.change_card(ann, send)
    open_inbox(f"/inbox/c/{ann}/card")
    expect(page.locator(".call .name")).to_have_text(path)
