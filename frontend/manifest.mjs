/** Puts compressed copies beside every built file, writes the manifest, and fails when a file is missing. */

import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "../src/knopka/web/static");
const EXPECTED = ["button.js", "window-2.js", "qr-1.js", "chat.js", "chat.css", "lang-en.js", "lang-ru.js", "inbox/index.html"];
const PACKED = /\.(br|gz)$/;
const TEXT = /\.(js|css|html|json|svg|txt|webmanifest)$/;

async function listFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** `widget/chat-1a2b….js` is known as `chat.js`; what the inbox build names itself keeps its path. */
const nameOf = (file) => file.replace(/^widget\/(.+?)(-[0-9a-f]{12})?(\.\w+)$/, "$1$3");

async function pack(path, contents) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: contents.length };
  await writeFile(`${path}.br`, brotliCompressSync(contents, { params }));
  await writeFile(`${path}.gz`, gzipSync(contents, { level: 9 }));
}

const manifest = {};
for (const path of (await listFiles(root)).sort()) {
  const file = relative(root, path).replaceAll("\\", "/");
  if (PACKED.test(file) || file === "manifest.json" || file.startsWith(".")) continue;
  const contents = await readFile(path);
  const integrity = `sha384-${createHash("sha384").update(contents).digest("base64")}`;
  manifest[nameOf(file)] = { file, integrity };
  if (TEXT.test(file)) await pack(path, contents);
}

const missing = EXPECTED.filter((name) => !(name in manifest));
if (missing.length) {
  console.error(`The build lacks ${missing.join(", ")}.`);
  process.exit(1);
}
await writeFile(join(root, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
