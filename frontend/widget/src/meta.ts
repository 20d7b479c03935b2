/** The shape of setMeta's parameters: whatever a page gives becomes JSON text that the server can read. */

export interface Verdict {
  path: string;
  verdict: string;
  reason: string | null;
}

export interface Copy {
  /** Empty where JSON has no word for the whole. */
  text: string;
  /** What JSON cannot carry, told in the words of verdicts. */
  dropped: Verdict[];
}

// The server's reader refuses bodies beyond 5 000 nodes, 32 levels, keys of 128 characters and
// whole numbers of 63 bits; one greedy path must not take the rest of the call with it.
const MOST_NODES = 4500;
const MOST_DEPTH = 26;
// A long text weighs as much as many nodes: 64 KiB fill a call.
const NODE_TEXT = 16;

// Pages that break JSON later do not break us.
const { stringify } = JSON;

/** Sites cut texts inside an emoji: the half that is left, and NUL, cannot travel. */
export const quote = (text: string): string =>
  stringify(text.replace(/[\ud800-\udfff]/gu, "\ufffd").replace(/\0/g, ""));

/** Copy a page's object without trusting it: getters may throw, objects may hold themselves. */
export function copyParams(params: unknown): Copy {
  const dropped: Verdict[] = [];
  const parents: unknown[] = [];
  let nodes = 0;

  const drop = (path: string, verdict: string, reason = "not JSON"): void => {
    dropped.push({ path, verdict, reason });
  };

  const writeMember = (owner: object, key: string | number, path: string): string | void => {
    try {
      return write((owner as Record<string | number, unknown>)[key], path);
    } catch {
      drop(path, "refused_bad_value");
    }
  };

  const writeList = (list: unknown[], path: string): string => {
    const parts: string[] = [];
    for (let i = 0; i < list.length && nodes < MOST_NODES; i++) {
      parts.push(writeMember(list, i, `${path}[${i}]`) ?? "null");
    }
    return `[${parts}]`;
  };

  const writeObject = (value: object, path: string): string => {
    // Two keys may become one when they are cleaned; the server refuses a repeated key.
    const members: Record<string, string> = {};
    for (const key of Object.keys(value)) {
      const place = path ? `${path}.${key}` : key;
      if (nodes >= MOST_NODES) break;
      if (/^(__proto__|constructor|prototype)$|.{128}/s.test(key)) drop(place.slice(0, 200), "ignored_unknown_key");
      else {
        const text = writeMember(value, key, place);
        if (text) members[quote(key)] = `${quote(key)}:${text}`;
      }
    }
    return `{${Object.values(members)}}`;
  };

  /** JSON text, nothing for what JSON leaves out, or an error for what it cannot hold. */
  const write = (value: unknown, path: string): string | void => {
    nodes += typeof value === "string" ? 1 + value.length / NODE_TEXT : 1;
    if (nodes >= MOST_NODES) return drop(path, "refused_limit", "too large");
    if (value === undefined) return;
    if (typeof value === "string") return quote(value);
    if (value === null || typeof value === "boolean" || (typeof value === "number" && Math.abs(value) < 2 ** 63)) {
      return String(value);
    }
    if (typeof value !== "object" || value instanceof Node || parents.includes(value) || parents.length > MOST_DEPTH) {
      throw value;
    }
    parents.push(value);
    try {
      // Array.prototype.toJSON is what old frameworks break arrays with.
      if (Array.isArray(value)) return writeList(value, path);
      const { toJSON } = value as { toJSON?: unknown };
      return typeof toJSON === "function" ? write(toJSON.call(value), path) : writeObject(value, path);
    } finally {
      parents.pop();
    }
  };

  return { text: writeMember([params], 0, "") ?? "", dropped };
}
