"""Every verdict and every reason in words, in English and in Russian."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from knopka.domain.verdicts import Reason, Verdict

NAMES: dict[Verdict, tuple[str, str]] = {
    Verdict.FILLED: ("filled", "заполнено"),
    Verdict.NOTED: ("noted", "записано примечанием"),
    Verdict.PASSED_TO_BOT: ("passed to the bot", "передано боту"),
    Verdict.WAITING: ("waits for the lead", "ждёт сделку"),
    Verdict.NOT_EMPTY: ("refused: already filled", "отказ: уже заполнено"),
    Verdict.WINDOW_CLOSED: ("refused: the 24 hours are over", "отказ: 24 часа прошли"),
    Verdict.UNKNOWN_FIELD: ("refused: no such field", "отказ: такого поля нет"),
    Verdict.WRONG_ENTITY: ("refused: another card's field", "отказ: поле другой карточки"),
    Verdict.BAD_VALUE: ("refused: bad value", "отказ: неверное значение"),
    Verdict.NOT_WRITABLE: ("refused: not writable by a page", "отказ: странице нельзя писать в это поле"),
    Verdict.DECLINED: ("refused: the lead was declined", "отказ: сделка отклонена"),
    Verdict.LIMIT: ("refused: over the limit", "отказ: превышен предел"),
    Verdict.EMPTY: ("ignored: empty", "пропущено: пусто"),
    Verdict.UNKNOWN_KEY: ("ignored: unknown key", "пропущено: неизвестный ключ"),
    Verdict.REPEATED: ("repeated", "повтор"),
    Verdict.EXPIRED: ("expired", "срок истёк"),
}

SENTENCES: dict[str, tuple[str, str]] = {
    # What was decided on the cards
    "not_empty": (
        "The field is filled already, and a filled field is not updated.",
        "Поле уже заполнено, а заполненное поле не обновляется.",
    ),
    "earlier_value_waits": (
        "An earlier call's value waits for this field, and the first one keeps its place.",
        "Для этого поля уже ждёт значение более раннего вызова, а первое сохраняет своё место.",
    ),
    "same_note_waits": (
        "The same note of an earlier call waits for the card already.",
        "Такое же примечание более раннего вызова уже ждёт карточку.",
    ),
    "window_closed": (
        "The 24 hours in which a page may add data are over.",
        "Прошли 24 часа, в которые страница может добавлять данные.",
    ),
    "declined": (
        "The incoming lead was declined.",
        "Входящая заявка отклонена.",
    ),
    "expired": (
        "Nobody wrote within 24 hours of the first data.",
        "За 24 часа с первых данных никто не написал.",
    ),
    "waiting": (
        "The data waits until the visitor writes, for 24 hours at most.",
        "Данные ждут, пока посетитель напишет, но не дольше 24 часов.",
    ),
    "note_repeated": (
        "The same note stands on the card already.",
        "Такое же примечание уже есть на карточке.",
    ),
    "too_many_notes": (
        "One visit may add {limit} notes within the 24 hours.",
        "За 24 часа один посетитель может добавить примечаний: {limit}.",
    ),
    # Which field
    "unknown_field": (
        "The account has no field {field}.",
        "В аккаунте нет поля {field}.",
    ),
    "field_of_contact": (
        "The field {field} belongs to the contact; give it in contact.custom_fields.",
        "Поле {field} принадлежит контакту; передайте его в contact.custom_fields.",
    ),
    "field_of_lead": (
        "The field {field} belongs to the lead; give it in lead.custom_fields.",
        "Поле {field} принадлежит сделке; передайте его в lead.custom_fields.",
    ),
    "field_not_named": (
        "The entry names no field; give its id (or code).",
        "В записи не указано поле; передайте id (или code).",
    ),
    "field_id_unreadable": (
        "“{value}” is no field id; an id is a whole number.",
        "«{value}» — не id поля; id — это целое число.",
    ),
    "field_code_unreadable": (
        "“{value}” is no field code; a code is a short text.",
        "«{value}» — не код поля; код — это короткая строка.",
    ),
    "type_not_writable": (
        "A field of the type {type} cannot be written by a page.",
        "В поле типа {type} страница писать не может.",
    ),
    "field_computed": (
        "The account computes this field itself.",
        "Это поле вычисляется самим аккаунтом.",
    ),
    "field_not_listed": (
        "The account does not let pages write this field.",
        "Аккаунт не разрешает страницам писать в это поле.",
    ),
    # Shape
    "unknown_key": (
        "The page's parameters have no key “{key}”.",
        "Среди параметров нет ключа «{key}».",
    ),
    "many_unknown_keys": (
        "There are more than {limit} unknown keys; the rest is not listed.",
        "Неизвестных ключей больше {limit}; остальные не перечислены.",
    ),
    "unsafe_key": (
        "The key “{key}” is never taken.",
        "Ключ «{key}» не принимается.",
    ),
    "not_an_object": (
        "“{value}” is no object.",
        "«{value}» — не объект.",
    ),
    "not_an_array": (
        "“{value}” is no array; custom_fields is an array of fields.",
        "«{value}» — не массив; custom_fields — это массив полей.",
    ),
    "values_not_an_array": (
        "“{value}” is no array; values is an array of objects with a value.",
        "«{value}» — не массив; values — это массив объектов с value.",
    ),
    "value_not_an_object": (
        "“{value}” was skipped: an entry of values is an object with a value.",
        "«{value}» пропущено: элемент values — это объект с value.",
    ),
    # Limits
    "too_long": (
        "Longer than {limit} characters.",
        "Длиннее {limit} символов.",
    ),
    "too_many_fields": (
        "One call takes {limit} fields.",
        "Один вызов принимает полей: {limit}.",
    ),
    "too_many_values": (
        "One field takes {limit} values.",
        "Одно поле принимает значений: {limit}.",
    ),
    "bot_params_bytes": (
        "bot_params hold {limit} bytes.",
        "bot_params вмещают байт: {limit}.",
    ),
    "bot_params_depth": (
        "bot_params are nested {limit} deep at most.",
        "Вложенность bot_params — не больше {limit}.",
    ),
    "bot_params_keys": (
        "bot_params hold {limit} keys.",
        "bot_params вмещают ключей: {limit}.",
    ),
    # Notes
    "note_text_not_text": (
        "“{value}” is no text; note.text is a string.",
        "«{value}» — не текст; note.text — это строка.",
    ),
    "element_type_unknown": (
        "“{value}” is no card; element_type is 1 (contact) or 2 (lead).",
        "«{value}» — не карточка; element_type — это 1 (контакт) или 2 (сделка).",
    ),
    "note_type_needs_more": (
        "A note of the type {type} needs more than a text; it became a common note.",
        "Примечанию типа {type} мало одного текста; записано как обычное.",
    ),
    "note_type_read_only": (
        "Notes of the type {type} are written by the CRM alone; it became a common note.",
        "Примечания типа {type} пишет только сама CRM; записано как обычное.",
    ),
    "note_type_unknown": (
        "There is no note type “{type}”; it became a common note.",
        "Типа примечания «{type}» нет; записано как обычное.",
    ),
    # Names and budget
    "not_text": (
        "“{value}” is no text.",
        "«{value}» — не текст.",
    ),
    "not_a_number": (
        "“{value}” is no number; write it as 1234.5 or 1234,5, with at most 30 digits.",
        "«{value}» — не число; пишите 1234.5 или 1234,5, не больше 30 цифр.",
    ),
    "sale_out_of_range": (
        "“{value}” is no budget; it lies between 0 and {limit}.",
        "«{value}» — не бюджет; он лежит между 0 и {limit}.",
    ),
    "rounded": (
        "{value} was rounded to {became}: the budget is a whole number.",
        "{value} округлено до {became}: бюджет — целое число.",
    ),
    # Values by the type of their field
    "one_value_only": (
        "“{value}” was skipped: the field holds one value.",
        "«{value}» пропущено: поле хранит одно значение.",
    ),
    "not_yes_or_no": (
        "“{value}” is neither yes nor no; allowed are true, false, 1, 0, yes, no.",
        "«{value}» — не да и не нет; можно true, false, 1, 0, да, нет.",
    ),
    "not_a_web_address": (
        "“{value}” is no web address; it begins with http:// or https:// and has no spaces.",
        "«{value}» — не веб-адрес; он начинается с http:// или https:// и не содержит пробелов.",
    ),
    "not_a_date": (
        "“{value}” is no date; take unix seconds, RFC 3339 (2026-01-31T10:00:00+03:00) or 31.01.2026.",
        "«{value}» — не дата; можно секунды unix, RFC 3339 (2026-01-31T10:00:00+03:00) и 31.01.2026.",
    ),
    "option_unknown": (
        "The list has no option “{value}”; it has: {allowed}.",
        "В списке нет варианта «{value}»; есть: {allowed}.",
    ),
    "enum_unknown_value_used": (
        "The list has no option “{value}”; the option was found by its text: {became}.",
        "В списке нет варианта «{value}»; вариант найден по тексту: {became}.",
    ),
    "kind_unknown": (
        "The field has no kind “{value}”; kept as {became}. It has: {allowed}.",
        "У поля нет вида «{value}»; сохранено как {became}. Есть: {allowed}.",
    ),
    "not_a_phone": (
        "“{value}” is no phone number.",
        "«{value}» — не номер телефона.",
    ),
    "not_an_email": (
        "“{value}” is no e-mail address.",
        "«{value}» — не адрес электронной почты.",
    ),
    "subtype_missing": (
        "“{value}” was skipped: the part of the address is not named; subtype is one of {allowed}.",
        "«{value}» пропущено: не указана часть адреса; subtype — одно из {allowed}.",
    ),
    "subtype_unknown": (
        "An address has no part “{value}”; subtype is one of {allowed} (or its number, 1 to 6).",
        "У адреса нет части «{value}»; subtype — одно из {allowed} (или номер от 1 до 6).",
    ),
    "subtype_repeated": (
        "{subtype} was given twice; “{value}” gave way to the later one.",
        "{subtype} указано дважды; «{value}» уступило более позднему.",
    ),
    "country_unreadable": (
        "“{value}” is no country code; it has two letters, such as RU.",
        "«{value}» — не код страны; он состоит из двух букв, например RU.",
    ),
    "not_a_legal_entity": (
        "“{value}” is no legal entity; it is an object with a name.",
        "«{value}» — не юридическое лицо; это объект с полем name.",
    ),
    "legal_entity_without_name": (
        "A legal entity needs a name.",
        "У юридического лица должно быть name.",
    ),
    "legal_entity_part_unknown": (
        "“{key}” was skipped: a legal entity has {allowed}.",
        "«{key}» пропущено: у юридического лица есть {allowed}.",
    ),
    "legal_entity_part_unreadable": (
        "{key} was skipped: “{value}” is no text of at most {limit} characters.",
        "{key} пропущено: «{value}» — не текст длиной до {limit} символов.",
    ),
    "legal_entity_type_unknown": (
        "entity_type was skipped: “{value}” is neither 1 (person) nor 2 (company).",
        "entity_type пропущено: «{value}» — не 1 (человек) и не 2 (компания).",
    ),
    # Import of amoCRM's fields
    "import_not_a_field": (
        "This is no custom_field model of API v4.",
        "Это не модель custom_field из API v4.",
    ),
    "import_kind_unknown": (
        "A field of the type {type} on {entity} is not kept here.",
        "Поле типа {type} для {entity} здесь не хранится.",
    ),
    "import_type_changed": (
        "A field with this id exists already and is of the type {type} or on the other card.",
        "Поле с этим id уже есть: оно типа {type} или на другой карточке.",
    ),
    "import_code_taken": (
        "The code {code} belongs to the field {id}.",
        "Код {code} принадлежит полю {id}.",
    ),
    "import_bad_options": (
        "The options of the list cannot be read.",
        "Варианты списка нельзя прочитать.",
    ),
}


def say(reason: Reason, locale: str) -> str:
    """A reason in words; one that this release does not know is named by its code."""
    if not reason.values:
        return _say_alone(reason.code, locale)
    return _find_sentence(reason.code, locale).format_map(_Values(reason.values))


@lru_cache(maxsize=1024)
def _say_alone(code: str, locale: str) -> str:
    """A reason without values, which most verdicts have: put in words once."""
    return _find_sentence(code, locale).format_map(_Values())


@lru_cache(maxsize=1024)
def _find_sentence(code: str, locale: str) -> str:
    sentence = SENTENCES.get(code)
    return code.replace("{", "{{").replace("}", "}}") if sentence is None else _pick(sentence, locale)


def say_all(reasons: Iterable[Reason], locale: str) -> str | None:
    """The reasons of one verdict, or None when it needs none."""
    return " ".join([say(reason, locale) for reason in reasons]) or None


def name(verdict: Verdict, locale: str) -> str:
    """What a verdict is called."""
    return _pick(NAMES[verdict], locale)


def _pick(pair: tuple[str, str], locale: str) -> str:
    english, russian = pair
    return russian if locale.lower().startswith("ru") else english


class _Values(dict[str, str]):
    """A value that is missing, in a journal of another release, leaves a gap and no error."""

    def __missing__(self, key: str) -> str:
        return "…"
