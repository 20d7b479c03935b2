"""What the demo's account holds, so that its page shows the product: a button, fields, an operator."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path

from knopka.db.clock import to_ms
from knopka.db.database import Transaction
from knopka.db.operators import find_by_login, update_password_hash
from knopka.domain.catalog import Catalog, FieldDraft, OptionDraft, SourceDraft
from knopka.domain.fields import FieldType
from knopka.domain.meta import Entity
from knopka.domain.visitor import Source
from knopka.services import bots
from knopka.services.catalog import KINDS, add_field, add_source, ensure_account, load_catalog
from knopka.services.operators import add_operator
from knopka.services.places import gives_way

LOGIN = "demo"
OPERATOR_NAME = "Anna"
PASSWORD_FILE = "operator-password"  # noqa: S105  # its name, not the password

PHONE = 123456
"""The field of the page's own example; its option WORK is 12345, as there."""
EMAIL = 123457
ADDRESS = 123458
POSITION = 123459
BIRTHDAY = 123460
NEWSLETTER = 123461
SITE = 123462
DELIVERY = 223456
COURIER = 22345
PRODUCT = 223457
FIRST_SEEN = 223458
PAYMENT = 223459
PACKING = 223460
INTERESTS = 223461
CUPS = 223462
DELIVERY_COST = 223463
WANTED_ON = 223464
WISHES = 223465


def _options(first_id: int, *texts: str) -> tuple[OptionDraft, ...]:
    return tuple(OptionDraft(text, first_id + at) for at, text in enumerate(texts))


FIELDS = (
    FieldDraft(
        Entity.CONTACT, FieldType.MULTITEXT, "Phone", id=PHONE, code="PHONE",
        options=tuple(OptionDraft(kind, 12345 + at, code=kind) for at, kind in enumerate(KINDS["PHONE"])),
    ),
    FieldDraft(Entity.CONTACT, FieldType.MULTITEXT, "E-mail", id=EMAIL, code="EMAIL"),
    FieldDraft(Entity.CONTACT, FieldType.TEXT, "Position", id=POSITION, code="POSITION"),
    FieldDraft(Entity.CONTACT, FieldType.SMART_ADDRESS, "Address", id=ADDRESS, code="ADDRESS"),
    FieldDraft(Entity.CONTACT, FieldType.BIRTHDAY, "Birthday", id=BIRTHDAY),
    FieldDraft(Entity.CONTACT, FieldType.CHECKBOX, "Newsletter", id=NEWSLETTER),
    FieldDraft(Entity.CONTACT, FieldType.URL, "Web site", id=SITE, code="WEB"),
    FieldDraft(
        Entity.LEAD, FieldType.SELECT, "Delivery", id=DELIVERY,
        options=_options(COURIER, "Courier", "Pick-up point", "Post"),
    ),
    FieldDraft(Entity.LEAD, FieldType.SELECT, "Payment", id=PAYMENT, options=_options(22355, "Card", "Cash")),
    FieldDraft(
        Entity.LEAD, FieldType.RADIOBUTTON, "Packing", id=PACKING, options=_options(22365, "Tin", "Paper")
    ),
    FieldDraft(
        Entity.LEAD, FieldType.MULTISELECT, "Interests", id=INTERESTS,
        options=_options(22375, "Green tea", "Black tea", "Oolong", "Tableware"),
    ),
    FieldDraft(Entity.LEAD, FieldType.TEXT, "Product", id=PRODUCT),
    FieldDraft(Entity.LEAD, FieldType.NUMERIC, "Cups", id=CUPS),
    FieldDraft(Entity.LEAD, FieldType.MONETARY, "Delivery cost", id=DELIVERY_COST, currency="EUR"),
    FieldDraft(Entity.LEAD, FieldType.DATE, "Wanted on", id=WANTED_ON),
    FieldDraft(Entity.LEAD, FieldType.DATE_TIME, "First seen", id=FIRST_SEEN),
    FieldDraft(Entity.LEAD, FieldType.TEXTAREA, "Wishes", id=WISHES),
)  # fmt: skip

BOT_NAME = "Tea bot"
SCRIPT_FILE = "demo_bot.json"
BOT_STARTS = {"starts": [{"on": "first_message"}, {"on": "keyword", "words": ["bot", "бот"]}]}
"""The script ends at once where the page has not told it whom to greet."""

SHOPS = {"ru": "Чайная лавка", "en": "The tea shop"}
"""The demo's page in both languages, each with a button of its own: reasons come in the button's language."""


def set_up_demo(
    tx: Transaction, *, origins: tuple[str, ...], password_hash: str, now: datetime
) -> dict[str, Source]:
    """Make the demo's account unless it is there, and give the button of each language for these origins."""
    ensure_account(tx, name="The tea shop", locale="en", timezone="UTC", currency="EUR", now=now)
    catalog = load_catalog(tx)
    for draft in FIELDS:
        if draft.id not in catalog.fields and _is_place_free(catalog, draft):
            add_field(tx, draft, now=now)
    _set_up_operator(tx, password_hash, now)
    ours = (source for source in catalog.sources.values() if set(origins) <= set(source.origins))
    found = {source.locale: source for source in ours}
    for locale, name in SHOPS.items():
        if locale not in found:
            found[locale] = add_source(tx, SourceDraft(name=name, origins=origins, locale=locale), now=now)
    return found


def set_up_bot(tx: Transaction, script: bytes, *, now: datetime) -> None:
    """Give the demo its bot, unless there is any: its owner may have changed it."""
    if not bots.list_bots(tx):
        key = f"demo-bot-{to_ms(now)}"
        bot = bots.add_bot(tx, BOT_NAME, key, settings=BOT_STARTS, now=now)
        put = bots.put_version(tx, bot.id, script, key, author=OPERATOR_NAME, now=now)
        bots.publish(tx, bot.id, put.version.version, now=now)


def read_script() -> bytes:
    """The bot's script, as an author of bots writes it."""
    return Path(__file__).with_name(SCRIPT_FILE).read_bytes()


def _is_place_free(catalog: Catalog, draft: FieldDraft) -> bool:
    """Whether nobody has given the draft's code to a field of their own."""
    owner = catalog.by_code.get((draft.entity, draft.code or ""))
    return owner is None or gives_way(owner, draft)


def _set_up_operator(tx: Transaction, password_hash: str, now: datetime) -> None:
    """Whatever happened to the password before: the one that is printed at this start is right."""
    row = find_by_login(tx, LOGIN)
    if row is None:
        add_operator(tx, LOGIN, OPERATOR_NAME, password_hash, now=now)
    else:
        update_password_hash(tx, row["id"], password_hash)


def read_password(folder: Path) -> str:
    """The demo operator's password: made once for each folder of data, for its owner's eyes alone."""
    path = folder / PASSWORD_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(9)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password)
        return password
