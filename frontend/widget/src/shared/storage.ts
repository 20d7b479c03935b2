/** localStorage where the browser allows it, memory where it is blocked or full. */

const memory = new Map<string, string>();

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return;
  }
}

export const recall = (name: string): string | null | undefined =>
  memory.get(name) ?? attempt(() => localStorage.getItem(name));

export function keep(name: string, value: string): void {
  memory.set(name, value);
  attempt(() => {
    localStorage.setItem(name, value);
    memory.delete(name);
  });
}

export function forget(name: string): void {
  memory.delete(name);
  attempt(() => localStorage.removeItem(name));
}

/** Names that survived from earlier pages; what is in memory alone cannot have. */
export const listKept = (prefix: string): string[] =>
  attempt(() => Object.keys(localStorage).filter((name) => name.startsWith(prefix))) ?? [];
