/** Builds the launcher and the chat into the package's static folder. */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const out = join(here, "../../src/knopka/web/static/widget");
// The oldest browsers we promise (Safari 16.4 brings adoptedStyleSheets).
const target = ["chrome111", "firefox114", "safari16.4"];
const shared = { bundle: true, minify: true, target, charset: "utf8", write: false, legalComments: "none", absWorkingDir: here };

/** Style sheets of the launcher travel inside the script, minified. */
const cssAsText = {
  name: "css-as-text",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

const compile = async (options) => (await build({ ...shared, ...options })).outputFiles[0].contents;

const save = (name, contents) => writeFile(join(out, name), contents);

async function saveHashed(name, contents) {
  const [, stem, ending] = /^(.+)\.(\w+)$/.exec(name);
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const hashed = `${stem}-${hash}.${ending}`;
  await save(hashed, contents);
  return hashed;
}

/** The placeholders of a text, so that no translation forgets one. */
const shapeOf = (text) => JSON.stringify(text.match(/\{\w+\}/g)?.sort() ?? []);

function checkWords(language, words, model) {
  const faults = [
    ...Object.keys(model).filter((key) => !(key in words)).map((key) => `${key} is missing`),
    ...Object.keys(words).filter((key) => !(key in model)).map((key) => `${key} is unknown`),
    ...Object.keys(words).filter((key) => key in model && shapeOf(words[key]) !== shapeOf(model[key])).map((key) => `${key} has other placeholders`),
    ...Object.keys(words).filter((key) => !words[key].trim()).map((key) => `${key} is empty`),
  ];
  if (faults.length) throw new Error(`lang/${language}: ${faults.join(", ")}`);
}

async function buildLanguages() {
  const folder = join(source, "frame/lang");
  const built = {};
  let model;
  for (const file of ["en.ts", ...(await readdir(folder)).filter((name) => name !== "en.ts").sort()]) {
    const language = basename(file, ".ts");
    const contents = await compile({ entryPoints: [join(folder, file)], format: "esm" });
    const { default: words } = await import(`data:text/javascript;base64,${Buffer.from(contents).toString("base64")}`);
    model ??= words;
    checkWords(language, words, model);
    built[language] = `./${await saveHashed(`lang-${language}.js`, contents)}`;
  }
  return built;
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const languages = await buildLanguages();
await save("button.js", await compile({ entryPoints: [join(source, "main.ts")], format: "iife", plugins: [cssAsText] }));
// A page may have loaded its button long ago: these names are agreements and stay while the agreements do.
await save("window-2.js", await compile({ entryPoints: [join(source, "window.ts")], format: "esm", plugins: [cssAsText] }));
await save("qr-1.js", await compile({ entryPoints: [join(source, "qr.ts")], format: "esm", plugins: [cssAsText] }));
await saveHashed("chat.js", await compile({ entryPoints: [join(source, "frame/main.ts")], format: "esm", define: { LANGUAGES: JSON.stringify(languages) } }));
await saveHashed("chat.css", await compile({ entryPoints: [join(source, "frame/chat.css")] }));
