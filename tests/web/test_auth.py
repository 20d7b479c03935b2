"""Sign-in, sign-out, set-up: who gets in, who does not, and what neither can tell."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import httpx
import pytest
from sqlalchemy import bindparam, select, update

from knopka.db.database import Transaction
from knopka.db.statement import Statement
from knopka.db.tables import logins
from knopka.db.tables import operators as table
from knopka.domain.errors import InvalidInput, Unavailable
from knopka.services import operators
from knopka.services.common_passwords import COMMON_PASSWORDS
from knopka.services.passwords import (
    PasswordPool,
    check_new_password,
    hash_password,
    is_password,
    make_dummy_hash,
    needs_new_hash,
)
from knopka.web.auth import allowed_target
from knopka.web.desk import Delays, FormTokens
from knopka.web.pages import views
from tests.web.office import LOGIN, PASSWORD, MovedClock, Office, form_token, open_office, sign_in

pytestmark = pytest.mark.anyio

ALL_LOGINS = Statement(select(logins))
DISABLE = Statement(update(table).where(table.c.login == bindparam("who")).values(is_enabled=False))
CROSS_SITE = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}


@pytest.fixture
async def office(store_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(store_url, tmp_path) as opened:
        await opened.add_operator()
        yield opened


@pytest.fixture
async def sqlite_office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """For what is the same on either store."""
    async with open_office(sqlite_url, tmp_path) as opened:
        await opened.add_operator()
        yield opened


def list_logins(tx: Transaction) -> list[dict[str, object]]:
    return [dict(row) for row in tx.rows(ALL_LOGINS)]


def disable(tx: Transaction, *, login: str, now: object) -> None:
    tx.run(DISABLE, who=login)


async def is_signed_in(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/inbox/sign-in")
    return 'name="password"' not in answer.text


async def test_the_right_password_signs_in_and_leads_on(office: Office) -> None:
    async with office.browser() as client:
        answer = await sign_in(client, next="/inbox/c/12")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/inbox/c/12"
        assert await is_signed_in(client)


async def test_a_login_is_the_same_in_any_case(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        assert (await sign_in(client, f" {LOGIN.upper()} ")).status_code == 303


async def test_only_the_hash_of_the_cookie_is_stored(office: Office) -> None:
    async with office.operator() as client:
        token = client.cookies["knopka"]
    stored = await office.database.read(list_logins)
    assert [row["token_hash"] for row in stored] == [hashlib.sha256(token.encode()).hexdigest()]
    assert len(token) == 43  # 256 bits
    assert token not in str(stored)


async def test_the_cookie_on_plain_http(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        answer = await sign_in(client)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "knopka"
    assert rest.split("; ")[1:] == ["Path=/", "Max-Age=1209600", "HttpOnly", "SameSite=Lax"]


async def test_the_cookie_on_https_is_bound_to_the_host(sqlite_url: str, tmp_path: Path) -> None:
    async with open_office(sqlite_url, tmp_path, base_url="https://chat.example") as office:
        await office.add_operator()
        async with office.browser(origin="https://chat.example") as client:
            page = await client.get("/inbox/sign-in")
            form_cookie = page.headers["set-cookie"].partition(";")[0]
            answer = await client.post(
                "/inbox/sign-in",
                data={"form": form_token(page.text), "login": LOGIN, "password": PASSWORD},
                headers={"cookie": form_cookie},
            )
    assert form_cookie.startswith("__Host-knopka-form=")
    assert answer.status_code == 303
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-knopka"
    assert rest.split("; ")[1:] == ["Path=/", "Max-Age=1209600", "HttpOnly", "SameSite=Lax", "Secure"]


async def test_signing_in_again_gives_a_new_cookie_and_ends_the_old_one(office: Office) -> None:
    async with office.browser() as client:
        page = await client.get("/inbox/sign-in")
        tokens = [form_token(page.text), form_token((await client.get("/inbox/sign-in")).text)]
        cookies = []
        for token in tokens:
            form = {"form": token, "login": LOGIN, "password": PASSWORD}
            assert (await client.post("/inbox/sign-in", data=form)).status_code == 303
            cookies.append(client.cookies["knopka"])
    assert cookies[0] != cookies[1]
    async with office.browser(cookie=f"knopka={cookies[0]}") as thief:
        assert not await is_signed_in(thief)
    async with office.browser(cookie=f"knopka={cookies[1]}") as owner:
        assert await is_signed_in(owner)


async def test_unknown_and_wrong_get_the_same_answer_and_the_same_work(sqlite_office: Office) -> None:
    """S-AU-03: whoever tries learns nothing of which accounts exist."""
    office = sqlite_office
    answers = []
    for login, password in ((LOGIN, "wrong password"), ("bob", PASSWORD), ("'; --", PASSWORD), ("", "")):
        before = len(office.hashing.compared)
        async with office.browser() as client:
            answer = await sign_in(client, login, password)
        page = answer.text.replace(form_token(answer.text), "").replace(f'value="{login}"', 'value=""')
        headers = {
            name: value for name, value in answer.headers.items() if name not in ("date", "set-cookie")
        }
        answers.append((answer.status_code, page.replace("&#39;; --", ""), headers | {"content-length": "0"}))
        assert len(office.hashing.compared) - before == 1
    assert answers[0][0] == 401
    assert all(each == answers[0] for each in answers[:2])
    assert {status for status, *_ in answers} == {401}


async def test_the_dummy_hash_costs_what_a_real_one_costs_and_fits_no_password() -> None:
    dummy = make_dummy_hash()
    parameters = hash_password("some password").split("$")[1:4]
    assert dummy.split("$")[1:4] == parameters == ["argon2id", "v=19", "m=19456,t=2,p=1"]
    assert [len(part) for part in dummy.split("$")] == [len(part) for part in hash_password("x").split("$")]
    assert not is_password(dummy, "")
    assert not needs_new_hash(dummy)
    assert is_password(hash_password("пароль-пароль"), "пароль-пароль")
    assert not is_password("garbage", "x")


async def test_a_disabled_operator_is_nobody(sqlite_office: Office) -> None:
    office = sqlite_office

    await office.add_operator("boris", "Борис")
    async with office.operator("boris") as client:
        assert await is_signed_in(client)
        await office.database.write(disable, key=1, login="boris")
        assert not await is_signed_in(client)
    async with office.browser() as client:
        before = len(office.hashing.compared)
        assert (await sign_in(client, "boris")).status_code == 401
        assert len(office.hashing.compared) == before + 1
        assert "$plain$" not in office.hashing.compared[-1]


async def test_sign_in_ends_after_twelve_idle_hours(office: Office) -> None:
    async with office.operator() as client:
        office.clock.advance(hours=11, minutes=59)
        assert await is_signed_in(client)
        office.clock.advance(hours=11, minutes=59, seconds=59)
        assert await is_signed_in(client)
        office.clock.advance(hours=12)
        assert not await is_signed_in(client)


async def test_sign_in_ends_after_fourteen_days_however_busy(office: Office) -> None:
    async with office.operator() as client:
        for _ in range(28):
            office.clock.advance(hours=11, minutes=59)
            assert await is_signed_in(client)
        office.clock.advance(minutes=27)  # 335:59 in all
        assert await is_signed_in(client)
        office.clock.advance(minutes=1)
        assert not await is_signed_in(client)


async def test_reading_within_a_minute_costs_no_write(sqlite_office: Office) -> None:
    office = sqlite_office
    async with office.operator() as client:
        first = await office.database.read(list_logins)
        office.clock.advance(seconds=59)
        await is_signed_in(client)
        assert await office.database.read(list_logins) == first
        office.clock.advance(seconds=1)
        await is_signed_in(client)
        assert await office.database.read(list_logins) != first


async def test_signing_out_by_the_form_ends_the_sign_in(office: Office) -> None:
    async with office.operator() as client:
        token = client.cookies["knopka"]
        page = await client.get("/inbox/sign-in")
        del client.headers["x-knopka"]
        answer = await client.post("/inbox/sign-out", data={"form": form_token(page.text)})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/inbox/sign-in"
        assert "knopka" not in client.cookies
    async with office.browser(cookie=f"knopka={token}") as thief:
        assert not await is_signed_in(thief)
    assert await office.database.read(list_logins) == []


async def test_signing_out_by_the_inbox_ends_the_sign_in(sqlite_office: Office) -> None:
    async with sqlite_office.operator() as client:
        answer = await client.post("/inbox/sign-out")
        assert answer.status_code == 204
        assert not await is_signed_in(client)
        assert (await client.post("/inbox/sign-out")).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        CROSS_SITE,
        {"origin": "https://evil.example", "sec-fetch-site": ""},
        {"origin": "", "sec-fetch-site": "cross-site"},
        {"origin": "", "sec-fetch-site": "same-site"},
        {"origin": "", "sec-fetch-site": "none"},
        {"origin": "", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "OURS.evil.example"},
        {"origin": "https:OURS"},
    ],
)
@pytest.mark.parametrize("path", ["/inbox/sign-in", "/inbox/sign-out", "/inbox/setup"])
async def test_a_form_from_elsewhere_is_refused(
    sqlite_office: Office, path: str, headers: dict[str, str]
) -> None:
    """S-AU-08, with a token that would be good: the site alone decides."""
    office = sqlite_office
    async with office.browser() as client:
        page = await client.get("/inbox/sign-in")
        form = {"form": form_token(page.text), "login": LOGIN, "password": PASSWORD}
        sent = httpx.Headers({**client.headers, **_spell(headers, office.url)})
        for name in ("origin", "sec-fetch-site"):
            if sent.get(name) == "":
                del sent[name]
        client.headers = sent
        answer = await client.post(path, data=form)
        assert answer.status_code == 403
        assert "knopka" not in client.cookies


def _spell(headers: dict[str, str], url: str) -> dict[str, str]:
    return {
        name: value.replace("https:OURS", url.replace("http:", "https:")).replace("OURS", url)
        for name, value in headers.items()
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "OURS", "sec-fetch-site": "same-origin"},
        {"origin": "OURS", "sec-fetch-site": ""},
        {"origin": "", "sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
    ],
)
async def test_a_form_of_ours_is_taken_from_old_and_new_browsers(
    sqlite_office: Office, headers: dict[str, str]
) -> None:
    async with sqlite_office.browser() as client:
        client.headers.update(
            {key: value for key, value in _spell(headers, sqlite_office.url).items() if value}
        )
        for name, value in headers.items():
            if not value:
                del client.headers[name]
        assert (await sign_in(client)).status_code == 303


async def test_a_form_is_taken_once(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        token = form_token((await client.get("/inbox/sign-in")).text)
        form = {"form": token, "login": LOGIN, "password": "wrong password"}
        assert (await client.post("/inbox/sign-in", data=form)).status_code == 401
        again = await client.post("/inbox/sign-in", data={**form, "password": PASSWORD})
        assert again.status_code == 403
        assert "sent twice" in again.text
        # The page that says so can be used at once.
        assert (
            await client.post(
                "/inbox/sign-in", data={**form, "form": form_token(again.text), "password": PASSWORD}
            )
        ).status_code == 303


async def test_a_form_of_another_browser_is_refused(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as other:
        token = form_token((await other.get("/inbox/sign-in")).text)
    async with sqlite_office.browser() as client:
        await client.get("/inbox/sign-in")
        form = {"form": token, "login": LOGIN, "password": PASSWORD}
        assert (await client.post("/inbox/sign-in", data=form)).status_code == 403


async def test_form_tokens_end_after_an_hour_and_survive_no_change() -> None:
    clock = MovedClock()
    forms = FormTokens(b"k" * 32, clock.seconds)
    token = forms.make("cookie")
    clock.advance(seconds=3601)
    assert not forms.use(token, "cookie")
    token = forms.make("cookie")
    for broken in ("", "x", token[:-2], "B" + token[1:], token[:40] + "B" + token[41:], "é" * 20):
        assert not forms.use(broken, "cookie")
    assert not FormTokens(b"l" * 32, clock.seconds).use(token, "cookie")
    assert forms.use(token, "cookie")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"login=%ff", "application/x-www-form-urlencoded", 400),
        (b"login=a&login=b", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(20)), "application/x-www-form-urlencoded", 400),
        (b"login=" + b"a" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 403),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(
    sqlite_office: Office, content: bytes, kind: str, status: int
) -> None:
    async with sqlite_office.browser() as client:
        answer = await client.post("/inbox/sign-in", content=content, headers={"content-type": kind})
        assert answer.status_code == status
        assert 'role="alert"' in answer.text


async def test_tries_for_one_account_wait_longer_and_longer(sqlite_office: Office) -> None:
    """S-AU-04: the delay grows, the account is never locked, and nobody else waits."""
    office = sqlite_office
    await office.add_operator("boris", "Борис")
    waits = []
    for _ in range(6):
        async with office.browser() as client:
            answer = await sign_in(client, password="wrong password")
            while answer.status_code == 429:
                wait = int(answer.headers["retry-after"])
                waits.append(wait)
                before = len(office.hashing.compared)
                office.clock.advance(seconds=wait - 0.5)
                assert (await sign_in(client)).status_code == 429
                assert len(office.hashing.compared) == before
                office.clock.advance(seconds=0.5)
                answer = await sign_in(client, password="wrong password")
            assert answer.status_code == 401
    assert waits == [1, 2, 4]
    async with office.browser() as client:
        assert (await sign_in(client, "boris")).status_code == 303
    async with office.browser() as client:
        office.clock.advance(seconds=8)
        assert (await sign_in(client)).status_code == 303
    async with office.browser() as client:
        assert (await sign_in(client, password="wrong password")).status_code == 401


async def test_unknown_accounts_wait_as_known_ones_do(sqlite_office: Office) -> None:
    statuses = []
    for login in (LOGIN, "nobody"):
        for _ in range(4):
            async with sqlite_office.browser() as client:
                answer = await sign_in(client, login, "wrong password")
                statuses.append((answer.status_code, answer.headers.get("retry-after")))
    assert statuses[:4] == statuses[4:]
    assert statuses[3] == (429, "1")


async def test_one_account_and_one_address_have_their_limits(sqlite_url: str, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text('sign_ins_per_account = "2/15min"\nsign_ins_per_address = "4/15min"\n')
    async with open_office(sqlite_url, tmp_path, limits=limits) as office:
        await office.add_operator()
        async with office.browser() as client:
            tries = (LOGIN, LOGIN, LOGIN, "b", "c")
            answers = [await sign_in(client, login, "wrong password") for login in tries]
        assert [answer.status_code for answer in answers] == [401, 401, 429, 401, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "Try again in" in answers[-1].text


async def test_delays_forget_the_oldest_account_when_too_many_are_tried() -> None:
    delays = Delays(clock=lambda: 0.0, max_accounts=100)
    for number in range(1000):
        delays.begin(f"login{number}")
    assert len(delays) == 100


async def test_more_than_the_two_threads_can_take_are_told_to_come_again() -> None:
    free = Event()
    pool = PasswordPool(compare=lambda known, given: free.wait(10), max_waiting=3)
    waiting = [asyncio.create_task(pool.is_right("hash", "x")) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await pool.is_right("hash", "x")
    # Who goes away leaves his place taken until the thread is done with it.
    waiting[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await pool.is_right("hash", "x")
    free.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 4
    assert await pool.is_right("hash", "x")
    pool.close()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/inbox/c/12", "/inbox/c/12"),
        ("/inbox/c/12/card", "/inbox/c/12/card"),
        ("/inbox", "/inbox"),
        ("", "/inbox"),
        ("https://evil.example/inbox", "/inbox"),
        ("//evil.example/inbox", "/inbox"),
        ("/\\evil.example", "/inbox"),
        ("/inbox//evil.example", "/inbox"),
        ("/inbox/../api", "/inbox"),
        ("/inbox/c/1?x=1", "/inbox"),
        ("/inbox/c/1\r\nset-cookie: a=b", "/inbox"),
        ("/inbox/api/me", "/inbox"),
        ("/inbox/sign-out", "/inbox"),
        ("/inbox/setup", "/inbox"),
        ("javascript:alert(1)", "/inbox"),
        ("/inboxes", "/inbox"),
        ("/inbox/c/1\n", "/inbox"),
        ("/inbox/" + "a" * 300, "/inbox"),
    ],
)
def test_only_places_of_the_inbox_are_led_to(path: str, target: str) -> None:
    assert allowed_target(path) == target


async def test_who_is_not_signed_in_is_sent_to_the_sign_in_and_back(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        for path, target in (("/inbox", "/inbox/sign-in"), ("/inbox/c/3", "/inbox/sign-in?next=/inbox/c/3")):
            answer = await client.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"] == target
        page = await client.get("/inbox/sign-in?next=/inbox/c/3")
        assert 'name="next" value="/inbox/c/3"' in page.text


@pytest.mark.parametrize(
    ("language", "word", "lang"),
    [
        ("ru-RU,ru;q=0.9,en;q=0.8", "Вход", "ru"),
        ("en-GB,en;q=0.9,ru;q=0.5", "Sign in", "en"),
        ("de", "Sign in", "en"),
        ("", "Sign in", "en"),
        ("en;q=0, ru;q=0.1", "Вход", "ru"),
        (";;;q=9,ru;q=x", "Sign in", "en"),
    ],
)
async def test_the_page_speaks_the_browser_s_language(
    sqlite_office: Office, language: str, word: str, lang: str
) -> None:
    async with sqlite_office.browser(**{"accept-language": language}) as client:
        answer = await client.get("/inbox/sign-in")
        assert f"<h1>{word}</h1>" in answer.text
        assert f'<html lang="{lang}">' in answer.text


def test_both_languages_say_everything() -> None:
    assert views.TEXTS["en"].keys() == views.TEXTS["ru"].keys()


async def test_what_was_typed_is_shown_again_as_text_and_the_password_never(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        answer = await sign_in(client, '"><script>alert(1)</script>', "my wrong password")
        assert "<script" not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "my wrong password" not in answer.text


async def test_the_pages_carry_a_policy_that_lets_no_script_run(sqlite_office: Office) -> None:
    async with sqlite_office.browser() as client:
        answer = await client.get("/inbox/sign-in")
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "style-src 'self'" in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not any(part.startswith("script-src") for part in policy)
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        style = await client.get("/inbox/pages.css")
        assert style.headers["content-type"] == "text/css; charset=utf-8"


async def test_secrets_are_in_no_log(sqlite_office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    async with sqlite_office.browser() as client:
        await sign_in(client, LOGIN, "a wrong secret")
        await sign_in(client, "a secret typed into the wrong field", "x")
        await sign_in(client)
        token = client.cookies["knopka"]
    said = "".join(capfd.readouterr())
    for secret in (PASSWORD, "a wrong secret", "typed into the wrong", token, LOGIN):
        assert secret not in said


# The first operator


@pytest.fixture
async def new_office(store_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(store_url, tmp_path) as opened:
        yield opened


async def make_code(office: Office) -> str | None:
    return await office.database.write(operators.make_setup_code, key=("operators", 1))


async def set_up(client: httpx.AsyncClient, code: str, **more: str) -> httpx.Response:
    page = await client.get("/inbox/setup")
    form = {
        "form": form_token(page.text),
        "code": code,
        "name": "Анна",
        "login": "anna",
        "password": PASSWORD,
    }
    return await client.post("/inbox/setup", data={**form, **more})


async def test_the_first_operator_is_made_by_the_code_and_is_signed_in(new_office: Office) -> None:
    code = await make_code(new_office)
    assert code is not None
    async with new_office.browser() as client:
        assert (await client.get("/inbox/sign-in")).headers["location"] == "/inbox/setup"
        answer = await set_up(client, code.lower().replace("-", " "))
        assert answer.status_code == 303
        assert answer.headers["location"] == "/inbox"
        assert await is_signed_in(client)
    async with new_office.browser() as client:
        assert (await client.get("/inbox/setup")).headers["location"] == "/inbox/sign-in"
        assert (await sign_in(client, "anna")).status_code == 303
    assert await make_code(new_office) is None


async def test_a_code_is_good_once_and_only_the_newest(new_office: Office) -> None:
    old, new = await make_code(new_office), await make_code(new_office)
    assert old is not None
    assert new is not None
    async with new_office.browser() as client:
        answers = [await set_up(client, code) for code in ("", "AAAA", old)]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert new_office.hashing.made == 0
        token = form_token(answers[-1].text)
        assert (await set_up(client, new)).status_code == 303
        form = {"form": token, "code": new, "name": "B", "login": "boris", "password": PASSWORD}
        assert (await client.post("/inbox/setup", data=form)).status_code == 403


async def test_of_two_who_bring_the_code_at_once_one_is_taken(new_office: Office) -> None:
    code = await make_code(new_office)
    assert code is not None

    async def bring(login: str) -> object:
        return await new_office.database.write(operators.set_up, code, login, "Анна", "hash", key=login)

    outcomes = await asyncio.gather(*(bring(f"anna{number}") for number in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotAllowed"] * 3 + ["Operator"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"password": "short"}, "too short"),
        ({"password": "Password123"}, "first that are guessed"),
        ({"login": "a b"}, "A login has"),
        ({"login": ""}, "A login has"),
        ({"name": " \u200b "}, "A name has"),
        ({"login": "anna.petrova", "password": "Anna.Petrova"}, "first that are guessed"),
    ],
)
async def test_a_fault_of_the_set_up_is_named_and_the_code_stays_good(
    sqlite_url: str, tmp_path: Path, fault: dict[str, str], said: str
) -> None:
    async with open_office(sqlite_url, tmp_path) as office, office.browser() as client:
        code = await make_code(office)
        assert code is not None
        answer = await set_up(client, code, **fault)
        assert answer.status_code == 400
        assert said in answer.text
        assert (await set_up(client, code)).status_code == 303


@pytest.mark.parametrize("password", ["1234567", "x" * 1025, "password", "ПАРОЛЬ123", "anna"])
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_new_password(password, "anna")


@pytest.mark.parametrize("password", ["x" * 1024, "ключ", "correct horse battery", "        ", "Tr0ub4dor"])
def test_passwords_that_are_taken_as_they_are(password: str) -> None:
    check_new_password(password, "anna")


def test_the_common_passwords_could_be_chosen() -> None:
    assert len(COMMON_PASSWORDS) > 500
    too_short = [password for password in COMMON_PASSWORDS if len(password.encode()) < 8]
    assert too_short == []
    assert all(password == password.casefold() for password in COMMON_PASSWORDS)
