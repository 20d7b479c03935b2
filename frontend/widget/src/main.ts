/** Installs the globals that sites hold on to, and drains what they queued before we came. */

import { drawButton, type Button } from "./button";
import type { Config } from "./config";
import { call, fire, listen } from "./events";
import { findSnippet, readGlobal, type Snippet } from "./generations";
import type { Verdict } from "./meta";
import { makeOutbox } from "./outbox";
import { reached } from "./ready";
import { request } from "./transport";
import { findVisit } from "./visit";
import { warn } from "./warn";

type Globals = Record<string, unknown>;

/** Our own global: the command function, with what a page may want beside it. */
interface Knopka {
  (name?: unknown, argument?: unknown): void;
  setMeta: (params: unknown) => Promise<Verdict[]>;
  /** A snippet that ran a second time has put its stubs back: take them over, draw nothing twice. */
  adopt: (snippet: Snippet) => void;
}

/** Entries of the queues are `arguments` objects or arrays of other windows; anything array-like will do. */
const listOf = (value: unknown): unknown[] => [].slice.call(Object(value));

function makeKnopka(base: string, { command, site }: Snippet): Knopka {
  const id = String(site.id);
  const address = [id, site.hash as string].map(encodeURIComponent).join("/");
  const urlOf = (kind: string): string => `${base}/w/${kind}/${address}`;
  const config = readGlobal(`${command}Config`) as { onlinechat?: { user_id?: unknown } } | undefined;
  const visit = findVisit(id, config?.onlinechat?.user_id);
  const outbox = makeOutbox(urlOf, visit);
  let button: Button | null = null;
  let isWanted = false;
  let wantsChat = false;

  const draw = async ({ site }: Snippet): Promise<void> => {
    if (isWanted) return;
    isWanted = true;
    const { body } = await request(urlOf("config"));
    const config = body as Config | null | undefined;
    await reached(/interactive|complete/);
    if (!isWanted || button) return;
    if (!config?.channels[0]) return warn("no button");
    button = drawButton({ config, base, visit, locale: String(site.locale ?? config.locale), isInline: Boolean(site.inline ?? config.inline), fire, ...outbox });
    fire("onChatReady");
    button.setOpen(wantsChat);
  };

  const obey = (command: unknown): void => {
    const isShow = command === "runChatShow";
    if (isShow || command === "runChatHide") {
      button?.setOpen((wantsChat = isShow));
    } else if (command === "runDestroy") {
      isWanted = false;
      button?.destroy();
      button = null;
    }
  };

  /** Sites call commands that never existed, and listen to events that never come. */
  const run = (name: unknown, argument: unknown): void => {
    if (typeof argument !== "function") return obey(name);
    for (const event of String(name).split("|")) {
      listen(event, argument as () => void);
      if (event === "onChatReady" && button) call(argument as () => void);
    }
  };

  const knopka = ((name, argument) => tolerate(() => run(name, argument))) as Knopka;
  knopka.setMeta = (params) =>
    outbox.setMeta(params).catch((error) => {
      warn(error);
      return [];
    });
  knopka.adopt = (snippet) => {
    const { command, site } = snippet;
    const { params } = site;
    if (String(site.id) !== id) return;
    const globals = window as unknown as Globals;
    site.params = [];
    site.setMeta = knopka.setMeta;
    for (const one of listOf(params)) knopka.setMeta(one);
    const queued = (globals[command] as { q?: unknown } | undefined)?.q;
    globals[command] = knopka;
    for (const entry of listOf(queued)) knopka(...listOf(entry));
    draw(snippet).catch(warn);
  };
  return knopka;
}

/** Nothing of ours is ever thrown into the page. */
function tolerate(work: () => void): void {
  try {
    work();
  } catch (error) {
    warn(error);
  }
}

tolerate(() => {
  const script = document.currentScript as HTMLScriptElement | null;
  const snippet = findSnippet(script?.id);
  // Our host, with the path in front of `/js/button.js` or `/v1/button.js` if there is one.
  const base = /^(http.+)(\/[^/]+){2}\.js/.exec(script?.src ?? "")?.[1];
  if (!snippet || !base) return warn("no snippet");
  const first = readGlobal("knopka") as Partial<Knopka> | undefined;
  if (first?.adopt) return first.adopt(snippet);
  const knopka = makeKnopka(base, snippet);
  (window as unknown as Globals)["knopka"] = knopka;
  knopka.adopt(snippet);
});
