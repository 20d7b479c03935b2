"""Brings what happens to the webhooks: in lanes, with each platform's tries and the faults that are on."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import chain, count, repeat
from typing import Any

import httpx

from knopka.domain.errors import Fault as InputFault
from knopka.domain.errors import InvalidInput
from knopka.simulator.accounts import Kind
from knopka.simulator.faults import Fault, Trouble
from knopka.simulator.world import World

DUPLICATES = 5
MAX_QUEUE = 1000
LEAST_PATIENCE = 2.0
"""Seconds that a webhook always has, however fast the simulator runs."""
MAX_ANSWER = 64 * 1024


def check_loopback(url: str) -> None:
    """Refuse an address of another machine: what is simulated here must disturb nobody."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise InvalidInput(InputFault("url", "not_a_url", "This is no address.")) from None
    if parts.scheme not in ("http", "https") or not _is_loopback(parts.host):
        message = (
            "The simulator calls http(s) addresses of this machine alone, such as http://127.0.0.1:8000/."
        )
        raise InvalidInput(InputFault("url", "not_loopback", message))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One call of a webhook, ready to leave."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a platform makes of a webhook's answer."""

    taken: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Manners:
    """How a platform delivers: how long it waits for an answer, and when it tries again."""

    patience: float
    waits: tuple[float, ...]
    """Seconds before the second try, the third and so on; the last one is repeated."""
    span: float
    """After so many seconds of waiting it gives up."""
    in_order: bool
    """A push that fails holds up those behind it in its lane."""


@dataclass(eq=False, slots=True)
class Push:
    """One event on its way to a webhook."""

    kind: Kind
    account: str
    lane: str
    """Pushes of one lane start in their order."""
    event: str
    identity: str
    prepare: Callable[[bool], Outgoing | None]
    """Write and sign it, wrongly if asked so; None when nobody listens any more. Called before every try."""
    judge: Callable[[httpx.Response], Awaitable[Verdict]]
    person: int | None = None
    text: str = ""
    on_failure: Callable[[str], None] = lambda reason: None
    span: float | None = None
    """Gives up earlier than the platform's manners say."""


class Courier:
    """The simulator's own HTTP client. `settled` tells when nothing is on its way any more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
        self._lanes: dict[tuple[Kind, str, str], deque[Push]] = {}
        self._held: dict[tuple[Kind, str], tuple[Push, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._manners: dict[Kind, Manners] = {}

    def learn(self, kind: Kind, manners: Manners) -> None:
        self._manners[kind] = manners

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on by itself until it ends or the simulator does."""
        _ = self._begin(work)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def settled(self) -> None:
        """Return when everything is delivered, given up, or was never to be delivered."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def close(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def call(self, kind: Kind, outgoing: Outgoing) -> httpx.Response:
        """Call an address once, with the platform's patience; raises httpx.HTTPError or InvalidInput."""
        check_loopback(outgoing.url)
        patience = self._patience(kind)
        async with self._client.stream(
            "POST", outgoing.url, content=outgoing.body, headers=outgoing.headers, timeout=patience
        ) as response:
            return await _read(response)

    async def ask(self, kind: Kind, url: str, params: dict[str, str]) -> httpx.Response:
        """GET an address once; raises httpx.HTTPError or InvalidInput."""
        check_loopback(url)
        full = httpx.URL(url).copy_merge_params(params)
        async with self._client.stream("GET", full, timeout=self._patience(kind)) as response:
            return await _read(response)

    def send(self, push: Push) -> None:
        """Take an event for delivery."""
        place = (push.kind, push.account)
        held = self._held.pop(place, None)
        if held is not None:
            overtaken, timer = held
            timer.cancel()
            overtaken.lane = push.lane
            self._enqueue(push)
            self._enqueue(overtaken)
            return
        fault = self.world.faults.take_push(*place, Trouble.REORDER)
        if fault is None:
            self._enqueue(push)
        else:
            self._held[place] = push, self._begin(self._let_go(push, fault.seconds))

    async def _let_go(self, push: Push, seconds: float) -> None:
        """Send a push that was held back for another to overtake it, when no other comes."""
        await asyncio.sleep(seconds)
        del self._held[push.kind, push.account]
        self._enqueue(push)

    def _enqueue(self, push: Push) -> None:
        lane = (push.kind, push.account, push.lane)
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = deque()
            self.start(self._work(lane, queue))
        if len(queue) >= MAX_QUEUE:
            self._note(queue.popleft(), "dropped, the queue is full")
        queue.append(push)

    async def _work(self, lane: tuple[Kind, str, str], queue: deque[Push]) -> None:
        try:
            while queue:
                await self._deliver(queue.popleft())
        finally:
            del self._lanes[lane]

    async def _deliver(self, push: Push) -> None:
        manners = self._manners[push.kind]
        first = await self._try(push, 1)
        if first.taken:
            return
        rest = self._try_again(push, manners, first)
        if manners.in_order:
            await rest
        else:
            self.start(rest)

    async def _try_again(self, push: Push, manners: Manners, verdict: Verdict) -> None:
        for attempt, wait in zip(count(2), _waits(manners, push.span or manners.span), strict=False):
            seconds = wait if verdict.retry_after is None else verdict.retry_after
            await asyncio.sleep(seconds * self.world.pace)
            verdict = await self._try(push, attempt)
            if verdict.taken:
                return
        self._note(push, "given up")

    async def _try(self, push: Push, attempt: int) -> Verdict:
        """One try, or five at once, with whatever fault is on."""
        faults = self.world.faults
        place = (push.kind, push.account)
        if delay := faults.take_push(*place, Trouble.DELAY):
            await asyncio.sleep(delay.seconds)
        fault = faults.take_push(*place, Trouble.DUPLICATE, Trouble.WRONG_SIGNATURE, Trouble.ANSWER_UNSEEN)
        outgoing = push.prepare(fault is not None and fault.trouble is Trouble.WRONG_SIGNATURE)
        if outgoing is None:
            return Verdict(taken=True)
        copies = DUPLICATES if fault is not None and fault.trouble is Trouble.DUPLICATE else 1
        verdicts = await asyncio.gather(*(self._call(push, outgoing, attempt, fault) for _ in range(copies)))
        return next((verdict for verdict in verdicts if verdict.taken), verdicts[0])

    async def _call(self, push: Push, outgoing: Outgoing, attempt: int, fault: Fault | None) -> Verdict:
        name = "" if fault is None else fault.trouble
        try:
            response = await self.call(push.kind, outgoing)
        except (httpx.HTTPError, InvalidInput) as error:
            reason = type(error).__name__
            self._note(push, f"failed: {reason}", attempt, name)
            push.on_failure(reason)
            return Verdict(taken=False)
        if fault is not None and fault.trouble is Trouble.ANSWER_UNSEEN:
            self._note(push, f"{response.status_code}, not seen", attempt, name)
            push.on_failure("Read timeout expired")
            return Verdict(taken=False)
        verdict = await push.judge(response)
        refused = "" if verdict.taken or not response.is_success else ", refused for its body"
        self._note(push, f"{response.status_code}{refused}", attempt, name)
        if not verdict.taken:
            push.on_failure(
                f"Wrong response from the webhook: {response.status_code} {response.reason_phrase}"
            )
        return verdict

    def _patience(self, kind: Kind) -> float:
        return max(LEAST_PATIENCE, self._manners[kind].patience * self.world.pace)

    def _note(self, push: Push, outcome: str, attempt: int = 0, fault: str = "") -> None:
        self.world.note(
            push.kind,
            push.account,
            "push",
            push.event,
            outcome,
            person=push.person,
            text=push.text,
            attempt=attempt,
            identity=push.identity,
            fault=fault,
        )


def _waits(manners: Manners, span: float) -> Iterator[float]:
    """The pauses between tries, as long as all of them together stay within the span."""
    spent = 0.0
    for wait in chain(manners.waits, repeat(manners.waits[-1])):
        spent += wait
        if spent > span:
            return
        yield wait


async def _read(response: httpx.Response) -> httpx.Response:
    """Read the answer, up to what a webhook's answer may be."""
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise httpx.DecodingError("The answer is too large.", request=response.request)
    headers = {name: value for name, value in response.headers.items() if name not in ENCODINGS}
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


ENCODINGS = frozenset({"content-encoding", "transfer-encoding", "content-length"})


def read_retry_after(response: httpx.Response, now: float, most: float) -> float | None:
    """Seconds that a Retry-After asks for (RFC 9110 §10.2.3), no more than `most`."""
    value = response.headers.get("retry-after", "")
    if value.isdigit():
        return min(float(value), most)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - now), most)
    except ValueError:
        return None
