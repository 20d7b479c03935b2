/** localStorage where the browser allows it, memory where it is blocked or full. */

const memory = new Map<string, string>();

export function recall(name: string): string | null {
  let kept = memory.get(name) ?? null;
  try {
    kept ??= localStorage.getItem(name);
  } catch {
    // Blocked: the memory is all there is.
  }
  return kept;
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    memory.set(name, value);
  }
}

export function forget(name: string): void {
  memory.delete(name);
  try {
    localStorage.removeItem(name);
  } catch {
    // Blocked: the memory was all there was.
  }
}

/** Names that survived from earlier pages; what is in memory alone cannot have. */
export function listKept(prefix: string): string[] {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  } catch {
    return [];
  }
}
