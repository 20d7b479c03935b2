"""Passwords: which are accepted, and their Argon2id hashes, made by two threads."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from knopka.domain.errors import Fault, InvalidInput, Unavailable
from knopka.services.common_passwords import COMMON_PASSWORDS

MIN_BYTES = 8
MAX_BYTES = 1024
MEMORY_KIB = 19 * 1024
ROUNDS = 2
THREADS = 2
MAX_WAITING = 16
"""Who comes while so many wait is told to come again: hashing must not become the way to stop us."""

T = TypeVar("T")

_hasher = PasswordHasher(
    time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)


def check_new_password(password: str, login: str) -> None:
    """Refuse a password that would be guessed among the first; no rules of composition (S-AU-01)."""
    size = len(password.encode())
    if size < MIN_BYTES:
        raise InvalidInput(Fault("password", "too_short", f"The password is shorter than {MIN_BYTES} bytes."))
    if size > MAX_BYTES:
        raise InvalidInput(Fault("password", "too_long", f"The password is longer than {MAX_BYTES} bytes."))
    if password.casefold() in COMMON_PASSWORDS or password.casefold() == login.casefold():
        raise InvalidInput(
            Fault("password", "too_common", "This password is among the first that are guessed.")
        )


def hash_password(password: str) -> str:
    """The Argon2id hash, with its parameters and salt; about 30 ms of one core and 19 MiB."""
    return _hasher.hash(password)


def is_password(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def needs_new_hash(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def make_dummy_hash() -> str:
    """A hash that no password has and that costs as much to compare as any other."""

    def part(size: int) -> str:
        return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")

    return f"$argon2id$v=19$m={MEMORY_KIB},t={ROUNDS},p=1${part(16)}${part(32)}"


class PasswordPool:
    """Hashes and compares in two threads, with few waiting; raises Unavailable when more come."""

    def __init__(
        self,
        *,
        compare: Callable[[str, str], bool] = is_password,
        make_hash: Callable[[str], str] = hash_password,
        is_outdated: Callable[[str], bool] = needs_new_hash,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._compare = compare
        self._make_hash = make_hash
        self.is_outdated = is_outdated
        self._room = THREADS + max_waiting
        self._under_way = 0
        self._dummy = make_dummy_hash()

    async def is_right(self, password_hash: str | None, password: str) -> bool:
        """Compare; for an account that does not exist (None) the same work is done in vain (S-AU-03)."""
        is_same = await self._run(self._compare, password_hash or self._dummy, password)
        return is_same and password_hash is not None

    async def hash(self, password: str) -> str:
        return await self._run(self._make_hash, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        if self._under_way >= self._room:
            raise Unavailable("Too many people sign in at this moment; try again.", retry_after=2)
        self._under_way += 1
        begun = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        begun.add_done_callback(self._count_down)
        # A caller that goes away leaves the thread at work: its place is free only when it is done.
        return await asyncio.shield(begun)

    def _count_down(self, _: object) -> None:
        self._under_way -= 1
