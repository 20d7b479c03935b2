"""How the platforms prove that a call is theirs, and how they ask for a proof."""

from __future__ import annotations

import hmac
import json
from typing import Any

# Meta's documentation of webhooks: the payload is signed as it is sent, with these escaped.
_META_ESCAPES = str.maketrans({"/": "\\/", "<": "\\u003C", "%": "\\u0025", "@": "\\u0040"})


def write_meta(body: Any) -> bytes:
    """Write a body as Meta does: everything beyond ASCII escaped, and four signs of ASCII as well."""
    return json.dumps(body, separators=(",", ":")).translate(_META_ESCAPES).encode()


def write_utf8(body: Any) -> bytes:
    """Write a body as Viber and VK do: in UTF-8, nothing escaped that need not be."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def sign_meta(secret: str, body: bytes) -> dict[str, str]:
    """Both headers that Meta sends; the one with SHA-1 is the older."""
    return {
        "X-Hub-Signature": f"sha1={hmac.digest(secret.encode(), body, 'sha1').hex()}",
        "X-Hub-Signature-256": f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}",
    }


def sign_viber(token: str, body: bytes) -> str:
    """The header X-Viber-Content-Signature: bare lowercase hex."""
    return hmac.digest(token.encode(), body, "sha256").hex()


def prove_app(secret: str, token: str) -> str:
    """The appsecret_proof that the Graph API wants beside an access token."""
    return hmac.digest(secret.encode(), token.encode(), "sha256").hex()


def is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
