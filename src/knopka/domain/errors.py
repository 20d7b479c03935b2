"""The errors of the product. Each carries a code and data, never an HTTP status."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input, and where it stands.

    `path` is a JSON path such as `$.contact.custom_fields[0].id`, the name of a
    setting or of a command's option. Line and column count from 1 and are given
    where the text could not even be parsed.
    """

    path: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None


class KnopkaError(Exception):
    """Anything that knopka refuses, with a code that does not change between releases."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(KnopkaError):
    """Data from outside that cannot be read; lists every fault that was found."""

    code = "invalid_input"

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = faults


class ScriptError(InvalidInput):
    """A bot's script that cannot be loaded; each fault has its line and column, if it has a place at all."""

    code = "script_error"


class TooLarge(KnopkaError):
    """The input is larger than what is read at all."""

    code = "too_large"


class WrongMediaType(KnopkaError):
    """The input says that it is of a kind that this address does not read."""

    code = "wrong_media_type"


class NotFound(KnopkaError):
    """What was asked for does not exist, or not for the one who asks."""

    code = "not_found"


class Conflict(KnopkaError):
    """The request contradicts what was accepted before."""

    code = "conflict"


class NotSignedIn(KnopkaError):
    """Nobody has signed in, or the sign-in has ended."""

    code = "not_signed_in"


class NotAllowed(KnopkaError):
    """The one who asks is known and may not do this."""

    code = "not_allowed"


class TooMany(KnopkaError):
    """More calls than the limit allows; `retry_after` seconds tell when to come again."""

    code = "too_many"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(KnopkaError):
    """Nothing was accepted, and the same request may be sent again after `retry_after` seconds."""

    code = "unavailable"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeliveryError(KnopkaError):
    """Something outside did not take what it was sent, and will not take it: the reason is shown."""

    code = "delivery_error"


class Retryable(DeliveryError):
    """Surely not taken, but it may be if it is sent again; not before `after` seconds, if given."""

    code = "retryable"

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class NotYet(Retryable):
    """Not a try at all: what it takes to make one is missing for now. Later jobs of its key wait with it."""


class Uncertain(DeliveryError):
    """Nobody knows whether it was taken. It is not sent again by itself, unless repeating does no harm."""

    code = "uncertain"


class ChatGone(DeliveryError):
    """The person has blocked us, left, or never was there: nothing comes through until he writes again."""

    code = "chat_gone"


class WindowClosed(DeliveryError):
    """The platform's time for free answers is over until the person writes again."""

    code = "window_closed"


class ChannelBroken(DeliveryError):
    """Nothing of this channel goes through until its owner mends it: a revoked token, a missing right."""

    code = "channel_broken"


class BadRequest(DeliveryError):
    """The platform cannot read what it was sent: a defect of ours, or a file or text that it refuses."""

    code = "bad_request"


class WebhookError(KnopkaError):
    """A webhook's body that is not taken as it is."""

    code = "webhook_error"


class UntrustedWebhook(WebhookError):
    """Its signature or secret does not match, or there is none to match."""

    code = "untrusted_webhook"


class UnreadableUpdate(WebhookError):
    """Nothing that this messenger sends."""

    code = "unreadable_update"
