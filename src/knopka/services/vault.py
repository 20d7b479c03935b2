"""Secrets at rest: sealed for one row, opened by nobody without the server's key (S-SEC-01)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from knopka.domain.errors import KnopkaError

VERSION = "v1"
NONCE_BYTES = 12
SHOWN = 4


class WrongKey(KnopkaError):
    """What was sealed cannot be opened: with another key, for another place, or it was changed."""

    code = "wrong_key"


class Vault:
    """Seals with the first key; opens what any of the keys has sealed, so that a key can be replaced."""

    def __init__(self, key: bytes, *older: bytes) -> None:
        derived = [_derive(one) for one in (key, *older)]
        self._ciphers = {_name(one): AESGCM(one) for one in derived}
        self._newest = _name(derived[0])

    def seal(self, text: str, *, account_id: int, field: str) -> str:
        """The text, sealed for this place alone: version, key id, nonce and ciphertext, joined by dots."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, text.encode(), _place(account_id, field))
        return ".".join((VERSION, self._newest, _write(nonce), _write(sealed)))

    def open(self, sealed: str, *, account_id: int, field: str) -> str:
        """The text that was sealed for this place. Raises WrongKey."""
        version, key, nonce, content = _split(sealed)
        cipher = self._ciphers.get(key)
        if version != VERSION or cipher is None:
            raise WrongKey("KNOPKA_SECRET_KEY is not the one that the channel's secrets were sealed with.")
        try:
            return cipher.decrypt(_read(nonce), _read(content), _place(account_id, field)).decode()
        except (InvalidTag, ValueError):
            raise WrongKey("The channel's secrets were changed or belong to another channel.") from None

    def is_newest(self, sealed: str) -> bool:
        """Whether it was sealed with the newest key; anything else is to be sealed again."""
        return _split(sealed)[1] == self._newest


def hint(text: str) -> str:
    """The last characters of a secret, so that its owner knows it again; of a short one less, or nothing."""
    return f"…{text[-min(SHOWN, len(text) // 4) :]}" if len(text) >= SHOWN else "…"


def _derive(key: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"knopka vault").derive(key)


def _name(derived: bytes) -> str:
    """Tells the keys apart, and nothing of them."""
    return hashlib.sha256(b"knopka key id" + derived).hexdigest()[:8]


def _place(account_id: int, field: str) -> bytes:
    return f"{account_id}:{field}".encode()


def _split(sealed: str) -> Sequence[str]:
    parts = sealed.split(".")
    return parts if len(parts) == 4 else ("", "", "", "")


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _write(data) != text:
        raise ValueError("not as we write it")
    return data
