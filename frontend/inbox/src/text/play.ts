/** What a dry run is given, from the fields of its form, and what it did in words. */
import type { Change } from "../api/bot-script";
import type { Entity } from "../api/shapes";
import type { BotScriptWords } from "../words/bots-script.en";

export interface GivenForm {
  params: string;
  contactName: string;
  phone: string;
  email: string;
  leadName: string;
  price: string;
  tags: string;
  channel: string;
  opening: string;
  more: string;
}

export type GivenFaults = Partial<Record<keyof GivenForm, string>>;
type Values = Record<string, unknown>;

/** The value for the server, or what is wrong with which field. */
export function readGiven(form: GivenForm, words: BotScriptWords["play"]): { given: Values; faults: GivenFaults } {
  const faults: GivenFaults = {};
  const read = (field: "params" | "more"): Values => {
    const result = readObject(form[field], words);
    if (typeof result !== "string") return result;
    faults[field] = result;
    return {};
  };
  const [bot_params, more] = [read("params"), read("more")];
  const price = form.price.trim();
  if (price && !/^\d{1,15}$/.test(price)) faults.price = words.price_fault;
  const contact = { ...asObject(more["contact"]), ...filled({ name: form.contactName, phone: form.phone, email: form.email }) };
  const lead = {
    ...asObject(more["lead"]),
    ...filled({ name: form.leadName }),
    ...(price ? { price: Number(price) } : {}),
    ...(form.tags.trim() ? { tags: form.tags.split(",").map((tag) => tag.trim()).filter(Boolean) } : {}),
  };
  return { given: { ...more, bot_params, contact, lead, channel: form.channel, ...filled({ opening: form.opening }) }, faults };
}

function readObject(text: string, words: BotScriptWords["play"]): Values | string {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : words.notObject;
  } catch (error) {
    return words.badJson((error as Error).message);
  }
}

const asObject = (value: unknown): Values => (typeof value === "object" && value !== null ? (value as Values) : {});
const filled = (values: Record<string, string>): Values => Object.fromEntries(Object.entries(values).filter(([, text]) => text.trim() !== ""));

const FIELDS: [string, keyof GivenForm][] = [
  ["$.given.bot_params", "params"],
  ["$.given.contact.name", "contactName"],
  ["$.given.contact.phone", "phone"],
  ["$.given.contact.email", "email"],
  ["$.given.lead.name", "leadName"],
  ["$.given.lead.price", "price"],
  ["$.given.lead.tags", "tags"],
  ["$.given.opening", "opening"],
];

/** The field that a fault of the server is about; null when it is about what happened since. */
export function fieldOf(path: string): keyof GivenForm | null {
  if (!path.startsWith("$.given")) return null;
  return FIELDS.find(([prefix]) => path.startsWith(prefix))?.[1] ?? "more";
}

export function sayChange(change: Change, words: BotScriptWords["play"]): string {
  const say = words.change;
  const of = (entity: Entity): string => words.entities[entity];
  switch (change.what) {
    case "write_card": {
      const target = words.targets[String(change.target)] ?? words.field(change.target);
      return (change.add ? say.add : say.write)(of(change.entity), target, change.value);
    }
    case "tag":
      return say.tag(of(change.entity), change.value);
    case "untag":
      return say.untag(of(change.entity), change.values.join(", "));
    case "write_note":
      return say.note(of(change.entity), change.text);
    case "move_lead":
      return say.move(change.status_id);
    case "decide":
      return change.accept ? say.accept : say.decline;
    case "assign":
      return say.assign(change.user_id);
    case "set_subscription":
      return (change.is_on ? say.subscribe : say.unsubscribe)(change.id === null ? change.type : `${change.type} ${change.id}`);
    case "make_cards":
      return say.make(change.lead.name, change.contact.name);
    case "join":
      return say.join;
    case "close_talk":
      return say.close;
    case "start_bot":
      return say.start(change.bot);
  }
}
