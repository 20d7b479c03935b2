/** A script as text: its size, its places, and the same JSON laid out anew. */

export const MOST_BYTES = 64 * 1024;

export const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** The offset of a line and a column, both from 1; columns count characters as the server does. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let n = 1; n < line; n += 1) {
    const end = text.indexOf("\n", start);
    if (end < 0) break;
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  const within = [...text.slice(start, end < 0 ? text.length : end)].slice(0, column - 1).join("");
  return start + within.length;
}

/** The line of an offset, from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

export const linesOf = (text: string): number => lineOf(text, text.length + 1);

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gs;
const LONGEST_LINE = 88;

/**
 * The same tokens with other white space: numbers, repeated keys and their order stay as they are.
 * What fits into a line stands in one. Null when the text is no JSON.
 */
export function layOut(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(TOKEN) ?? [];
  const ends = matchBrackets(tokens);
  const parts: string[] = [];
  let depth = 0;
  const breakLine = (): number => parts.push("\n", "  ".repeat(depth));
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at]!;
    const end = ends.get(at);
    if (end !== undefined) {
      const flat = joinFlat(tokens, at, end, LONGEST_LINE - 2 * depth);
      if (flat === null) {
        depth += 1;
        parts.push(token);
        breakLine();
      } else {
        parts.push(flat);
        at = end;
      }
    } else if (token === "]" || token === "}") {
      depth -= 1;
      breakLine();
      parts.push(token);
    } else if (token === ",") {
      parts.push(token);
      breakLine();
    } else {
      parts.push(token === ":" ? ": " : token);
    }
  }
  return `${parts.join("")}\n`;
}

function matchBrackets(tokens: string[]): Map<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  tokens.forEach((token, at) => {
    if (token === "[" || token === "{") open.push(at);
    else if (token === "]" || token === "}") ends.set(open.pop()!, at);
  });
  return ends;
}

/** A list or an object on one line, or null when it is too long for that. */
function joinFlat(tokens: string[], from: number, to: number, room: number): string | null {
  let flat = "";
  for (let at = from; at <= to; at += 1) {
    const token = tokens[at]!;
    flat += token === "," || token === ":" ? `${token} ` : token;
    if (flat.length > room) return null;
  }
  return flat;
}

/** A script to begin with: it asks with buttons, notes the answer on the card, and hands over to a person. */
export const example = (words: { hello: string; yes: string; no: string; phone: string; thanks: string; tag: string; later: string; handover: string }): string =>
  layOut(
    JSON.stringify([
      {
        question: [{ handler: "show", params: { type: "buttons", value: words.hello, buttons: [words.yes, words.no] } }],
        answer: [
          {
            handler: "buttons",
            params: [
              { value: words.yes, params: [{ handler: "goto", params: { type: "question", step: 1 } }] },
              { value: words.no, params: [{ handler: "goto", params: { type: "question", step: 2 } }] },
            ],
          },
        ],
      },
      {
        question: [{ handler: "show", params: { type: "text", value: words.phone } }],
        answer: [
          { handler: "preset", params: { name: "contacts.get_base_info" } },
          { handler: "action", params: { name: "set_tag", params: { type: 2, value: words.tag } } },
          { handler: "show", params: { type: "text", value: words.thanks } },
          { handler: "knopka_handover", params: { message: words.handover } },
        ],
      },
      { question: [{ handler: "show", params: { type: "text", value: words.later } }, { handler: "stop" }] },
    ]),
  )!;
