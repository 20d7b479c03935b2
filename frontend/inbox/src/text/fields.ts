/** A field's values in the form a reader expects of its type; pure. */
import type { Card, FieldInfo, FieldItem, FilledField, SentBySite } from "../api/shapes";
import { language } from "../words/index.svelte";
import { date, dateTime } from "./dates";
import { dialable } from "./safe";

export type Shown =
  | { kind: "text"; text: string; hint?: string }
  | { kind: "link"; address: string; text: string; hint?: string }
  | { kind: "flag"; text: string; on: boolean }
  | { kind: "chip"; text: string }
  | { kind: "long"; text: string }
  | { kind: "pairs"; pairs: [string, string][] };

const ADDRESS_ORDER = ["address_line_1", "address_line_2", "city", "state", "zip", "country"];

export function shownValues(field: FilledField): Shown[] {
  if (field.field_type === "smart_address") return addressLines(field.values);
  return field.values.map((item) => shownValue(field, item));
}

function shownValue(field: FilledField, item: FieldItem): Shown {
  const { words } = language;
  const text = asText(item.value);
  switch (field.field_type) {
    case "checkbox":
      return { kind: "flag", on: item.value === true, text: item.value === true ? words.card.yes : words.card.no };
    case "select":
    case "multiselect":
    case "radiobutton":
      return { kind: "chip", text: text || (item.enum_code ?? String(item.enum_id ?? "")) };
    case "numeric":
      return { kind: "text", text: numberText(item.value) };
    case "monetary":
      return { kind: "text", text: moneyText(item.value) };
    case "date":
    case "birthday":
      return { kind: "text", text: momentText(item.value, date) };
    case "date_time":
      return { kind: "text", text: momentText(item.value, dateTime) };
    case "tracking_data":
      return /^https?:/i.test(text) ? { kind: "link", address: text, text } : { kind: "text", text };
    case "url":
      return { kind: "link", address: text, text };
    case "textarea":
      return { kind: "long", text };
    case "multitext":
      return { ...contactWay(field, text), ...kindOf(item) };
    case "legal_entity":
      return { kind: "pairs", pairs: legalPairs(item.value) };
    default:
      return { kind: "text", text };
  }
}

function contactWay(field: FilledField, text: string): { kind: "text"; text: string } | { kind: "link"; address: string; text: string } {
  if (text.includes("@")) return { kind: "link", address: `mailto:${text}`, text };
  const phone = field.field_code === "PHONE" ? dialable(text) : null;
  return phone ? { kind: "link", address: phone, text } : { kind: "text", text };
}

function kindOf(item: FieldItem): { hint?: string } {
  const kinds: Record<string, string> = language.words.fields.kinds;
  return item.enum_code ? { hint: Object.hasOwn(kinds, item.enum_code) ? kinds[item.enum_code]! : item.enum_code.toLowerCase() } : {};
}

function addressLines(items: FieldItem[]): Shown[] {
  const place = (item: FieldItem): number => {
    const at = ADDRESS_ORDER.indexOf(item.enum_code ?? "");
    return at < 0 ? ADDRESS_ORDER.length : at;
  };
  return [...items]
    .sort((a, b) => place(a) - place(b))
    .map((item) => {
      const text = asText(item.value);
      return { kind: "text", text: item.enum_code === "country" ? countryName(text) : text };
    });
}

function countryName(code: string): string {
  try {
    return new Intl.DisplayNames(language.locale, { type: "region" }).of(code.toUpperCase()) ?? code;
  } catch {
    return code;
  }
}

function legalPairs(value: unknown): [string, string][] {
  if (typeof value !== "object" || value === null) return [["", asText(value)]];
  const { fields } = language.words;
  const names: Record<string, string> = fields.legal;
  return Object.entries(value)
    .filter(([, part]) => part !== null && part !== "")
    .map(([key, part]) => [
      Object.hasOwn(names, key) ? names[key]! : key,
      key === "entity_type" ? (Number(part) === 2 ? fields.company : fields.person) : asText(part),
    ]);
}

export function moneyText(value: unknown): string {
  const amount = Number(value);
  if (!Number.isFinite(amount)) return asText(value);
  const { locale, currency } = language;
  const fraction = Number.isInteger(amount) ? 0 : 2;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    currencyDisplay: "narrowSymbol",
    minimumFractionDigits: fraction,
    maximumFractionDigits: fraction,
  }).format(amount);
}

function numberText(value: unknown): string {
  const text = asText(value);
  // More digits than a number holds are shown as they are.
  if (!/^-?\d{1,15}(\.\d{1,6})?$/.test(text)) return text;
  return new Intl.NumberFormat(language.locale, { maximumFractionDigits: 6 }).format(Number(text));
}

function momentText(value: unknown, inWords: (at: number) => string): string {
  const at = typeof value === "number" ? value * 1000 : Date.parse(asText(value));
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? inWords(at) : asText(value);
}

/** Any value of the outside as one text. */
export function asText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return JSON.stringify(value);
}

// --- what the site sent ----------------------------------------------------------------------

export type Tone = "good" | "wait" | "bad" | "neutral";

const GOOD = new Set(["filled", "noted", "passed_to_bot"]);

export function toneOf(verdict: string): Tone {
  if (GOOD.has(verdict)) return "good";
  if (verdict.startsWith("waiting")) return "wait";
  return verdict.startsWith("refused") ? "bad" : "neutral";
}

/** What a path of a call means to an operator: the field's name where the account has it. */
export function pathName(sent: SentBySite, fields: Card["fields"]): string {
  const { words } = language;
  const fixed: Record<string, string> = {
    note: words.fields.note,
    "contact.name": words.card.contactName,
    "lead.name": words.card.leadName,
    "lead.sale": words.fields.sale,
  };
  const { path } = sent;
  if (Object.hasOwn(fixed, path)) return fixed[path]!;
  if (sent.path.startsWith("bot_params.")) return words.fields.bot(sent.path.slice("bot_params.".length));
  return fieldOf(sent, fields)?.name ?? sent.path;
}

function fieldOf(sent: SentBySite, fields: Card["fields"]): FieldInfo | undefined {
  if (!isObject(sent.value)) return undefined;
  const { value } = sent;
  const id = Number(value["id"] ?? value["field_id"]);
  const code = value["code"] ?? value["field_code"];
  const known = [...fields.leads, ...fields.contacts];
  return known.find((field) => field.id === id) ?? known.find((field) => field.code !== null && field.code === code);
}

/** The value that was sent, without the shell around it. */
export function sentText(sent: SentBySite): string {
  if (!isObject(sent.value)) return asText(sent.value);
  const { text, values } = sent.value;
  if (sent.path === "note" && typeof text === "string") return text;
  if (Array.isArray(values)) return values.map(sentItem).filter(Boolean).join(", ");
  return JSON.stringify(sent.value);
}

function sentItem(item: unknown): string {
  if (!isObject(item)) return asText(item);
  const mark = item["subtype"] ?? item["enum"] ?? item["enum_code"] ?? item["enum_id"];
  const value = asText(item["value"]);
  return mark === undefined || mark === null ? value : `${value} (${asText(mark)})`.trim();
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
