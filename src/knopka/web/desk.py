"""What this process remembers of its operators: form tokens, failed sign-ins, open sockets."""

from __future__ import annotations

import asyncio
import base64
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

from knopka.domain.errors import TooMany, Unavailable
from knopka.services.passwords import PasswordPool
from knopka.web.limits import Counter, Rate
from knopka.web.live import LiveSocket

FORM_SECONDS = 3600
MAX_USED_FORMS = 10_000
MAX_ACCOUNTS = 10_000
FREE_TRIES = 3
MAX_DELAY = 64.0
SIGN_INS = Rate(600, 900)
"""All sign-ins together: more of them than an office has, and few enough for two threads."""
SIGNED_OUT = 4401
WATCH_SECONDS = 3.0
"""How often open sockets are asked whether their sign-in still holds: they close within 5 s of its end."""


def real_now() -> datetime:
    """The clock of sign-ins: the demo moves the days of visitors, and nobody is signed out by it."""
    return datetime.now(UTC)


class FormTokens:
    """One-time tokens of the forms, bound to a cookie of the same browser (S-AU-08).

    A token says until when it is good and is signed, so none is kept until it
    is used; of the used ones as many are remembered as can come within an hour.
    """

    def __init__(self, secret_key: bytes, clock: Callable[[], float] = time.time) -> None:
        self._key = hmac.digest(secret_key, b"knopka form token", "sha256")
        self._clock = clock
        self._used: OrderedDict[bytes, None] = OrderedDict()

    def make(self, cookie: str) -> str:
        """A token for a form that is shown to the browser with this cookie."""
        body = int(self._clock() + FORM_SECONDS).to_bytes(8, "big") + secrets.token_bytes(16)
        return base64.urlsafe_b64encode(body + self._sign(body, cookie)).decode()

    def use(self, token: str, cookie: str) -> bool:
        """Whether the form is one that we gave to this browser, still good, and sent for the first time."""
        try:
            raw = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            return False
        body, signature = raw[:24], raw[24:]
        if not hmac.compare_digest(signature, self._sign(body, cookie)):
            return False
        if int.from_bytes(body[:8], "big") < self._clock() or body in self._used:
            return False
        self._used[body] = None
        if len(self._used) > MAX_USED_FORMS:
            self._used.popitem(last=False)
        return True

    def _sign(self, body: bytes, cookie: str) -> bytes:
        return hmac.digest(self._key, body + cookie.encode(), "sha256")


class Delays:
    """A delay for each account that grows with every try and ends with the right password (S-AU-04)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._clock = clock
        self._max_accounts = max_accounts
        self._tries: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def begin(self, account: str) -> None:
        """Count a try, or raise TooMany while the account waits. A try counts before its end is known:
        many at once gain nothing."""
        tries, not_before = self._tries.get(account, (0, 0.0))
        now = self._clock()
        if now < not_before:
            wait = math.ceil(not_before - now)
            raise TooMany("Too many attempts for this account.", retry_after=wait)
        delay = min(MAX_DELAY, 2.0 ** (tries + 1 - FREE_TRIES)) if tries + 1 >= FREE_TRIES else 0.0
        self._tries[account] = (tries + 1, now + delay)
        self._tries.move_to_end(account)
        if len(self._tries) > self._max_accounts:
            self._tries.popitem(last=False)

    def forgive(self, account: str) -> None:
        """The password was right."""
        self._tries.pop(account, None)

    def __len__(self) -> int:
        return len(self._tries)


class Sockets:
    """The operators' open sockets, by the sign-in that opened them."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[int, set[LiveSocket]]] = {}

    def add(self, token_hash: str, operator_id: int, socket: LiveSocket) -> None:
        _, sockets = self._open.setdefault(token_hash, (operator_id, set()))
        sockets.add(socket)

    def remove(self, token_hash: str, socket: LiveSocket) -> None:
        if token_hash not in self._open:
            return
        sockets = self._open[token_hash][1]
        sockets.discard(socket)
        if not sockets:
            del self._open[token_hash]

    def count(self, operator_id: int) -> int:
        return sum(len(sockets) for owner, sockets in self._open.values() if owner == operator_id)

    def token_hashes(self) -> list[str]:
        return list(self._open)

    def end(self, token_hashes: Iterable[str]) -> None:
        """Close every socket of these sign-ins (S-WS-04)."""
        for token_hash in token_hashes:
            _, sockets = self._open.get(token_hash, (0, frozenset()))
            for socket in tuple(sockets):
                socket.end(SIGNED_OUT)


class Desk:
    """All of it together; one for each process."""

    def __init__(
        self,
        secret_key: bytes,
        *,
        clock: Callable[[], datetime] = real_now,
        passwords: PasswordPool | None = None,
        delays: Delays | None = None,
    ) -> None:
        self.clock = clock
        self.passwords = PasswordPool() if passwords is None else passwords
        self.delays = Delays() if delays is None else delays
        self.forms = FormTokens(secret_key)
        self.sign_ins = Counter(SIGN_INS)
        self.sockets = Sockets()
        self.watch_seconds = WATCH_SECONDS
        self._watcher: asyncio.Task[None] | None = None

    def watch(self, end_ended: Callable[[], Awaitable[None]]) -> None:
        """See to it that sockets end with their sign-ins, as long as any is open."""
        if self._watcher is None:
            self._watcher = asyncio.create_task(self._watch(end_ended))

    async def _watch(self, end_ended: Callable[[], Awaitable[None]]) -> None:
        try:
            while self.sockets.token_hashes():
                await asyncio.sleep(self.watch_seconds)
                await end_ended()
        finally:
            self._watcher = None

    def count_sign_in(self, login: str) -> None:
        """Let one more try begin, or raise TooMany or Unavailable."""
        try:
            self.sign_ins.take("all")
        except TooMany as error:
            raise Unavailable("Too many people sign in at this moment.", error.retry_after) from error
        self.delays.begin(login)
