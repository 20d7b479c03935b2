/** The link code: by it the chat that a messenger opens finds this visit again. Each use has its own. */

import type { Outbox } from "./outbox";
import { makeId } from "./shared/random";

/** A channel's link with the code in it, and its short form for texts that a messenger shows. */
export function fillIn(link: string, code: string): string {
  // The server makes the same: five bits of each character, as A to Z and 2 to 7.
  const short = code.slice(0, 8).replace(/./g, (char) => {
    const bits = char.charCodeAt(0) & 31;
    return String.fromCharCode(bits + (bits < 26 ? 65 : 24));
  });
  return link.replace("{code}", code).replace("{short}", short);
}

export interface Links {
  /** Keep this link filled: it works by itself, however it is opened or copied. */
  add: (link: HTMLAnchorElement, template: string) => void;
  /** A press, a click or a context menu: where it may be a link's use, the server is told its code. */
  notice: (event: UIEvent) => void;
}

/** All links carry the same code; once it has been told, the next use begins with another. */
export function makeLinks(post: Outbox["post"]): Links {
  const templates = new Map<HTMLAnchorElement, string>();
  const untold: string[] = [];
  let code: string;

  const renew = (): void => {
    untold.push((code = makeId(24)));
    templates.forEach((template, link) => (link.href = fillIn(template, code)));
  };
  renew();

  return {
    add(link, template) {
      templates.set(link, template);
      link.href = fillIn(template, code);
    },
    notice({ detail, target }) {
      if (!(target as Element).closest("a")) return;
      // A pointer's click has a count, and ends the use that its press has begun; everything else begins one.
      if (!detail && !untold.includes(code)) renew();
      for (const one of untold.splice(0)) {
        // What the server could not take is told again at the next sign.
        post("link", `"code":"${one}"`).then(({ status }) => status === 204 || untold.push(one));
      }
    },
  };
}
