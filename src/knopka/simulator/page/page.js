// Four small messenger windows. They show the simulator's state, and tell it what the person does.

import { language, names, words } from "/page/words.js";

const RETRY_MS = 2000;
const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const windows = new Map();
let person = Number(query.get("person")) || null;
let version = null;
let asking = null;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function button(label, press, attributes = {}) {
  return make("button", { type: "button", onclick: press, ...attributes }, label);
}

async function call(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await answer.json();
  show(byId("fault"), answer.ok ? "" : told.message);
  return answer.ok ? told : null;
}

function show(element, text) {
  element.textContent = text;
  element.hidden = !text;
}

// Replaces the children only when what they show has changed: focus and selection stay where they are.
function fill(element, value, build) {
  const key = JSON.stringify(value);
  if (element.shown === key) return false;
  element.shown = key;
  element.replaceChildren(...build(value));
  return true;
}

class Window {
  constructor(kind) {
    this.kind = kind;
    this.name = names[kind];
    this.account = null;
    this.editing = null;
    this.draft = "";
    this.build();
  }

  build() {
    this.title = make("h2", { id: `title-${this.kind}`, dir: "auto" }, this.name);
    this.accounts = make("select", { "aria-label": words.account(this.name), hidden: true });
    this.accounts.addEventListener("change", () => this.choose(this.accounts.value));
    this.doings = make("div", { class: "choices" });
    this.menu = make("details", { class: "menu", hidden: true },
      make("summary", { "aria-label": words.menu(this.name) }, "⋯"), this.doings);
    this.empty = make("p", { class: "empty" });
    this.lines = make("ol");
    this.log = make("div", { class: "lines", role: "log", tabindex: "0", "aria-label": words.messages(this.name) }, this.lines);
    this.note = make("p", { class: "note", hidden: true });
    this.keyboard = make("div", { class: "keyboard", role: "group", "aria-label": words.keyboard(this.name) });
    this.start = button("", () => this.act("start"), { class: "start", hidden: true });
    this.text = make("textarea", { rows: "1", "aria-label": words.compose(this.name), placeholder: "…" });
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.send = make("button", { type: "submit", class: "send", "aria-label": words.send(this.name) }, "➤");
    this.cancel = button("×", () => this.edit(null), { "aria-label": words.cancel, hidden: true });
    this.attach = make("details", { class: "menu up" },
      make("summary", { "aria-label": words.attach(this.name) }, "+"), this.pieces());
    this.form = make("form", { class: "composer", hidden: true }, this.attach, this.text, this.cancel, this.send);
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.body = make("div", { class: "body", hidden: true },
      this.log, this.note, this.keyboard, this.start, this.form);
    this.element = make("section", { class: `window ${this.kind}`, id: this.kind, "aria-label": words.window(this.name) },
      make("header", {},
        make("span", { class: "mark", "aria-hidden": "true" }, this.name[0]),
        make("div", { class: "names" }, this.title, make("p", {}, this.name), this.accounts),
        this.menu),
      this.empty, this.body);
  }

  pieces() {
    const shown = Object.entries(words.pieces).filter(([what]) => !(this.kind === "vk" && what === "contact"));
    return make("div", { class: "choices" }, ...shown.map(([what, label]) => button(label, () => {
      this.attach.open = false;
      this.act("attach", { what });
    })));
  }

  choose(account) {
    this.account = account;
    this.edit(null);
    ask();
  }

  async act(action, given = {}) {
    const path = `/api/persons/${person}/${action}`;
    return call("POST", path, { platform: this.kind, account: this.account, ...given });
  }

  async submit(event) {
    event.preventDefault();
    const text = this.text.value;
    if (!text.trim()) return;
    const line = this.editing;
    const done = line === null ? await this.act("say", { text }) : await this.act("edit", { line, text });
    if (done) this.edit(null);
  }

  // Take a line into the composer to be edited, or leave it alone again.
  edit(line, text = "") {
    this.editing = line;
    this.text.value = text;
    this.cancel.hidden = line === null;
    this.send.setAttribute("aria-label", line === null ? words.send(this.name) : words.save(this.name));
    if (line !== null) this.text.focus();
  }

  update(state) {
    const keys = Object.keys(state.accounts);
    if (!keys.includes(this.account)) this.account = this.wanted(keys);
    const chat = state.chats[this.account];
    this.title.textContent = state.accounts[this.account] ?? this.name;
    this.accounts.hidden = keys.length < 2;
    fill(this.accounts, state.accounts, (accounts) =>
      Object.entries(accounts).map(([key, title]) => make("option", { value: key }, `${title} · ${key}`)));
    this.accounts.value = this.account ?? "";
    const used = Boolean(chat && (chat.lines.length || chat.start || chat.can_write));
    show(this.empty, keys.length === 0 ? words.noAccount : used ? "" : words.empty);
    this.body.hidden = this.menu.hidden = !used;
    if (used) this.showChat(chat, state.abilities);
  }

  wanted(keys) {
    const asked = query.get("account");
    return location.hash === `#${this.kind}` && keys.includes(asked) ? asked : keys[0] ?? null;
  }

  showChat(chat, abilities) {
    const shown = { lines: chat.lines, typing: chat.typing, abilities };
    const changed = fill(this.lines, shown, () => {
      const lines = chat.lines.map((line) => this.line(line, abilities));
      return chat.typing ? [...lines, make("li", { class: "note" }, words.typing)] : lines;
    });
    if (changed) this.scroll();
    show(this.note, chat.blocked ? words.blocked : chat.code ? words.code : "");
    fill(this.keyboard, chat.keyboard, (rows) => rows.map((row) => this.row(row, null)));
    show(this.start, chat.start ? words.start[this.kind] : "");
    this.form.hidden = !chat.can_write;
    if (chat.draft !== this.draft) {
      this.draft = chat.draft;
      if (chat.draft && !this.text.value) this.text.value = chat.draft;
    }
    const doings = [chat.blocked ? "unblock" : "block", ...["read", "allow", "type"].filter((one) => abilities.includes(one))];
    fill(this.doings, doings, () => doings.map((doing) => button(words.doings[doing], () => {
      this.menu.open = false;
      this.act(doing);
    })));
  }

  scroll() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  line(line, abilities) {
    const at = new Date(line.at * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
    if (line.side === "note") return make("li", { class: "note", dir: "auto" }, line.text);
    const said = line.deleted ? words.deleted : line.text;
    const parts = [];
    if (line.what !== "text" && !line.deleted) parts.push(this.piece(line));
    if (said) parts.push(make("p", { class: line.deleted ? "gone" : "said", dir: "auto" }, said));
    if (line.buttons.length) parts.push(make("div", { class: "buttons" }, ...line.buttons.map((row) => this.row(row, line.id))));
    const marks = [line.edited && words.edited, line.read && words.read, at].filter(Boolean).join(" · ");
    parts.push(make("footer", {}, ...this.changes(line, abilities), make("span", {}, marks)));
    return make("li", { class: line.side }, ...parts);
  }

  piece(line) {
    const media = line.media;
    if (!media) return make("p", { class: "piece" }, words.whats[line.what] ?? line.what);
    if (media.type.startsWith("image/")) return make("img", { src: media.url, alt: words.whats[line.what] ?? media.name, onload: () => this.scroll() });
    return make("a", { class: "piece", href: media.url, download: media.name }, `${words.whats[line.what] ?? line.what}: ${media.name}`);
  }

  changes(line, abilities) {
    if (line.side !== "person" || line.deleted || line.what !== "text") return [];
    const made = [];
    if (abilities.includes("edit")) made.push(button(words.edit, () => this.edit(line.id, line.text)));
    if (abilities.includes("delete")) made.push(button(words.delete, () => this.act("delete", { line: line.id })));
    return made;
  }

  row(row, line) {
    return make("div", { class: "row" }, ...row.map((one) =>
      button(one.label, () => this.act("press", { label: one.label, ...(line ? { line } : {}) }))));
  }
}

function showPeople(state) {
  const chooser = byId("person");
  const nobody = [{ number: "", name: words.nobody }];
  const people = state.person === null ? [...nobody, ...state.people] : state.people;
  fill(chooser, people, () => people.map((one) => make("option", { value: one.number }, one.number ? `${one.number}. ${one.name}` : one.name)));
  chooser.value = state.person ?? "";
}

function showFaults(state) {
  fill(byId("faults").querySelector("ul"), state.faults, (faults) => faults.map((fault) => {
    const where = fault.kind ? names[fault.kind] : words.everywhere;
    return make("li", {},
      make("span", {}, `${words.troubles[fault.trouble]} · ${where} · ${words.left(fault.times)} `),
      button(words.switchOff, () => call("DELETE", "/api/faults", { id: fault.id })));
  }));
}

function showReadings(state) {
  fill(document.querySelector(".readings"), state.readings, (readings) => readings.map((reading) => {
    const id = `reading-${reading.name}`;
    const chooser = make("select", { id }, ...reading.choices.map((choice) => make("option", { value: choice }, choice)));
    chooser.value = reading.chosen;
    chooser.addEventListener("change", () => call("POST", "/api/readings", { [reading.name]: chooser.value }));
    return make("div", { class: "field" }, make("label", { for: id }, reading.name.replaceAll("_", " ")), chooser);
  }));
}

function showLog(state) {
  const shown = byId("log").open ? state.log.toReversed() : [];
  fill(byId("log").querySelector("tbody"), shown, () => shown.map((entry) => {
    const at = new Date(entry.at * 1000).toLocaleTimeString(language);
    const tries = entry.attempt > 1 ? ` (${entry.attempt})` : "";
    const cells = [at, names[entry.kind], words.logWhat[entry.what], entry.name, entry.text, entry.outcome + tries];
    return make("tr", {}, ...cells.map((cell) => make("td", { dir: "auto" }, cell)));
  }));
}

function update(state) {
  version = state.version;
  person = state.person;
  for (const one of state.windows) windows.get(one.kind).update(one);
  showPeople(state);
  showFaults(state);
  showReadings(state);
  showLog(state);
}

// Ask anew at once: somebody else is to be shown, or something else of him.
function ask() {
  version = null;
  asking?.abort();
}

async function follow() {
  for (;;) {
    asking = new AbortController();
    const wanted = new URLSearchParams();
    if (person !== null) wanted.set("person", person);
    if (version !== null) wanted.set("after", version);
    try {
      const answer = await fetch(`/api/state?${wanted}`, { signal: asking.signal });
      update(await answer.json());
      show(byId("lost"), "");
    } catch (error) {
      if (error.name === "AbortError") continue;
      version = null;
      show(byId("lost"), words.lost);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function become(number) {
  person = number;
  query.set("person", number);
  history.replaceState(null, "", `?${query}${location.hash}`);
  ask();
}

function label(panel, texts) {
  panel.querySelectorAll("label").forEach((one, index) => { one.textContent = texts[index]; });
}

function begin() {
  document.documentElement.lang = language;
  document.title = words.title;
  byId("title").textContent = words.title;
  byId("lead").textContent = words.lead;
  byId("person-label").textContent = words.person;
  byId("person").addEventListener("change", () => become(Number(byId("person").value)));
  byId("new-person").textContent = words.newPerson;
  byId("new-person").addEventListener("click", async () => {
    const made = await call("POST", "/api/persons", {});
    if (made) become(made.id);
  });
  for (const kind of Object.keys(names)) {
    windows.set(kind, new Window(kind));
    byId("windows").append(windows.get(kind).element);
  }
  beginFaults();
  byId("readings").querySelector("summary").textContent = words.readings;
  byId("readings").querySelector("p").textContent = words.readingsLead;
  byId("log").querySelector("summary").textContent = words.log;
  byId("log").addEventListener("toggle", ask);
  byId("log").querySelector(".table").setAttribute("aria-label", words.log);
  byId("log").querySelector("tr").append(...words.columns.map((column) => make("th", { scope: "col" }, column)));
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  follow();
  const shown = windows.get(location.hash.slice(1))?.element;
  shown?.classList.add("called");
  shown?.scrollIntoView({ block: "nearest" });
}

function beginFaults() {
  const panel = byId("faults");
  const form = panel.querySelector("form");
  panel.querySelector("summary").textContent = words.faults;
  label(panel, [words.fault, words.platform, words.times, words.seconds]);
  form.querySelector("button").textContent = words.switchOn;
  form.elements.fault.append(...Object.entries(words.troubles).map(([value, text]) => make("option", { value }, text)));
  form.elements.platform.append(make("option", { value: "" }, words.everywhere),
    ...Object.entries(names).map(([value, text]) => make("option", { value }, text)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { fault, platform, times, seconds } = form.elements;
    call("POST", "/api/faults", {
      fault: fault.value,
      platform: platform.value || null,
      times: times.value ? Number(times.value) : null,
      seconds: Number(seconds.value || 0),
    });
  });
}

begin();
