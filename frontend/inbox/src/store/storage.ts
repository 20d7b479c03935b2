/** The browser's storage, which may be blocked: then memory stands in for it. */

const memory = new Map<string, string>();
const PREFIX = "knopka.inbox.";

export function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return memory.get(PREFIX + name) ?? null;
  }
}

export function write(name: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, text);
  } catch {
    if (text === null) memory.delete(PREFIX + name);
    else memory.set(PREFIX + name, text);
  }
}

/** The names under a prefix, without the prefix of the app itself. */
export function names(under: string): string[] {
  let keys: string[];
  try {
    keys = Object.keys(localStorage);
  } catch {
    keys = [...memory.keys()];
  }
  return keys.filter((key) => key.startsWith(PREFIX + under)).map((key) => key.slice(PREFIX.length));
}
