/** The browser's storage, which may be blocked or full: then memory stands in for it. */

const memory = new Map<string, string>();
const PREFIX = "knopka.inbox.";

export function read(name: string): string | null {
  const written = memory.get(PREFIX + name);
  if (written !== undefined) return written;
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function write(name: string, text: string | null): void {
  memory.delete(PREFIX + name);
  try {
    if (text === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, text);
  } catch {
    if (text !== null) memory.set(PREFIX + name, text);
  }
}

/** The names under a prefix, without the prefix of the app itself. */
export function names(under: string): string[] {
  const keys = new Set(memory.keys());
  try {
    for (const key of Object.keys(localStorage)) keys.add(key);
  } catch {
    // Blocked: memory has all there is.
  }
  return [...keys].filter((key) => key.startsWith(PREFIX + under)).map((key) => key.slice(PREFIX.length));
}
