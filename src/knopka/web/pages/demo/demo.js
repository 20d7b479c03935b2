/* The demo shop: each button runs the code that is shown beside it, and every verdict is told as it comes. */
"use strict";

/** The same call in the page's language: the bot's first step asks for `locale`. */
const GREETED = {
  en: {
  bot: () => amo_social_button.setMeta({
  bot_params: {
    username: 'Ivan',
    locale: 'en',
  },
}),
  },
  ru: {
  bot: () => amo_social_button.setMeta({
  bot_params: {
    username: 'Иван',
    locale: 'ru',
  },
}),
  },
};

const ACTIONS = {
  ...GREETED[document.documentElement.lang],

  example: () => amo_social_button.setMeta({
  note: {
    text: 'Текст примечания',
    element_type: 1,
    note_type: "common",
  },
  contact: {
    name: 'Иван Иванов',
    custom_fields: [
      {
        id: 123456, values:
          [
            {
              enum: 12345,
              value: '+7123456789',
            }
         ]
      }
    ]
  },
  lead: {
    name: 'Название сделки',
    sale: 999,
  }
}),

  again: () => amo_social_button.setMeta({
  contact: {
    name: 'Пётр Петров',
    custom_fields: [{ id: 123456, values: [{ value: '+74950000000' }] }],
  },
  lead: { name: 'Другая сделка', sale: 5 },
}),

  note: () => amo_social_button.setMeta({
  note: { text: 'Спрашивал про улун', element_type: 1, note_type: 'common' },
}),

  address: () => amo_social_button.setMeta({
  contact: {
    custom_fields: [{
      id: 123458,
      values: [
        { subtype: 'city', value: 'Москва' },
        { subtype: 'address_line_1', value: 'Мясницкая, 19' },
        { subtype: 'zip', value: '101000' },
      ],
    }],
  },
}),

  enum: () => amo_social_button.setMeta({
  lead: { custom_fields: [{ id: 223456, values: [{ enum: 22345 }] }] },
}),

  text: () => amo_social_button.setMeta({
  lead: { custom_fields: [{ id: 223459, values: [{ value: 'Cash' }] }] },
}),

  option: () => amo_social_button.setMeta({
  lead: { custom_fields: [{ id: 223460, values: [{ enum: 99999 }] }] },
}),

  field: () => amo_social_button.setMeta({
  lead: {
    custom_fields: [
      { id: 999, values: [{ value: 'lost?' }] },
      { id: 223457, values: [{ value: 'Те Гуань Инь, 100 г' }] },
    ],
  },
}),

  utm: () => amo_social_button.setMeta({
  lead: {
    custom_fields: [
      { code: 'UTM_SOURCE', values: [{ value: 'mail' }] },
      { code: 'UTM_CAMPAIGN', values: [{ value: 'spring' }] },
    ],
  },
  bot_params: { discount: 10 },
}),
};

const words = JSON.parse(document.getElementById("words").textContent);
const log = document.getElementById("log");
const entries = new Map();
const entryOf = new WeakMap();

const make = (tag, className, ...children) => {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
};

/** One call in the log: each path with its verdict; a verdict that waited keeps its place before the final one. */
function tell(verdicts, key) {
  const entry = entries.get(key) ?? begin(key);
  entryOf.set(verdicts, entry);
  for (const { path, verdict, reason } of verdicts) {
    const row = entry.rows.get(path) ?? addRow(entry, path);
    if (row.latest === verdict) continue;
    row.latest = verdict;
    const said = make("span", `verdict ${kindOf(verdict)}`, words.verdicts[verdict] ?? verdict);
    said.title = verdict;
    row.verdicts.append(said);
    row.reason.textContent = reason ?? "";
  }
  document.getElementById("nothing").hidden = true;
}

const kindOf = (verdict) =>
  ({ filled: "good", noted: "good", passed_to_bot: "good", waiting_for_lead: "waits" })[verdict] ?? "bad";

function begin(key) {
  const title = make("h3", "", words.call);
  const table = make("dl", "");
  const element = make("li", "entry", title, table);
  const entry = { element, title, table, rows: new Map() };
  entries.set(key, entry);
  log.prepend(element);
  return entry;
}

function addRow(entry, path) {
  const row = { latest: "", verdicts: make("span", "verdicts"), reason: make("span", "reason") };
  entry.table.append(make("dt", "", make("code", "", path)), make("dd", "", row.verdicts, row.reason));
  entry.rows.set(path, row);
  return row;
}

amoSocialButton("onMetaResult", tell);

for (const card of document.querySelectorAll("[data-action]")) {
  const run = ACTIONS[card.dataset.action];
  const title = card.querySelector("h3").textContent;
  card.querySelector("code").textContent = `${run}`.replace("() => ", "");
  card.querySelector("button").addEventListener("click", async () => {
    const verdicts = await run();
    const entry = entryOf.get(verdicts);
    if (!entry) return;
    entry.title.textContent = title;
    // The same call again is the same call: its entry comes up instead of a second one.
    log.prepend(entry.element);
  });
}

const clock = document.getElementById("clock");
let ahead = 0;

async function readClock(init) {
  const answer = await fetch("/demo/clock", init);
  if (!answer.ok) return;
  ahead = (await answer.json()).now - Date.now();
  showClock();
}

function showClock() {
  const now = new Date(Date.now() + ahead);
  clock.textContent = now.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  clock.dateTime = now.toISOString();
}

for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", async () => {
    const headers = { "Content-Type": "application/json" };
    await readClock({ method: "POST", headers, body: JSON.stringify({ advance: button.dataset.advance }) });
    // The launcher asks for final verdicts when the browser comes back on line: so it does as if.
    setTimeout(() => dispatchEvent(new Event("online")), 1500);
  });
}

// A link of an app leaves its page open beside it, and so does the simulator's window, which stands in for one.
document.addEventListener("click", (event) => {
  const link = event.composedPath().find((one) => one instanceof HTMLAnchorElement);
  if (link && link.origin !== location.origin) link.target = "_blank";
}, true);

readClock();
setInterval(showClock, 1000);
