/** A link as a QR code, for a computer whose messengers are on the phone beside it. Loaded when first asked for. */

import type { Channel } from "./config";
import { make } from "./dom";
import css from "./qr.css";
import { makeId } from "./shared/random";
import type { Stage } from "./window";

const en = {
  back: "Back",
  code: "QR code",
  scan: "Scan with your phone’s camera, or ",
  open: "open it on this computer",
  failed: "The code cannot be shown now.",
};

const ru: typeof en = {
  back: "Назад",
  code: "QR-код",
  scan: "Наведите камеру телефона или ",
  open: "откройте на этом компьютере",
  failed: "Сейчас код показать нельзя.",
};

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

export interface ScanParts {
  stage: Stage;
  channel: Channel;
  name: string;
  /** For who would rather open the messenger on this computer. */
  link: HTMLAnchorElement;
  back: () => void;
}

export function draw({ stage, channel, name, link, back }: ScanParts): HTMLElement {
  const words = /^ru/.test(stage.locale) ? ru : en;
  const status = make("p", { role: "status" });
  const place = make("div", { className: "code" }, status);
  // A code of its own: the link beside it may be used as well.
  stage.post("qr", `"code":"${makeId(24)}","kind":"${channel.kind}"`).then(({ body }) => {
    const { size, path } = Object(body) as { size: number; path?: string };
    if (path) place.append(drawCode(size, path, `${words.code}: ${name}`));
    else status.textContent = words.failed;
  });
  link.textContent = words.open;
  const { adoptedStyleSheets } = stage.host.shadowRoot!;
  if (!adoptedStyleSheets.includes(sheet)) adoptedStyleSheets.push(sheet);
  return make(
    "div",
    { className: "card scan", role: "dialog", ariaLabel: name },
    make("header", {}, make("button", { ariaLabel: words.back, onclick: back }, "←"), name),
    place,
    make("p", {}, words.scan, link, "."),
  );
}

function drawCode(size: number, drawing: string, name: string): Element {
  const [image, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  image!.setAttribute("viewBox", `0 0 ${size} ${size}`);
  image!.role = "img";
  image!.ariaLabel = name;
  path!.setAttribute("d", drawing);
  image!.append(path!);
  return image!;
}
