/** Keys of the inbox: one table, read by the handler and by the help. */

/** A pressed key by the letter on it: the Latin one also under a Cyrillic or Greek layout. */
export function chord(event: KeyboardEvent): string {
  const isLatin = /^[\x21-\x7e]$/.test(event.key);
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  const sign = event.code === "Slash" ? (event.shiftKey ? "?" : "/") : undefined;
  const key = isLatin ? event.key.toLowerCase() : (letter?.toLowerCase() ?? sign ?? event.key);
  const command = event.ctrlKey || event.metaKey ? "mod+" : "";
  const shift = event.shiftKey && /^[a-z]$/.test(key) ? "shift+" : "";
  return `${command}${event.altKey ? "alt+" : ""}${shift}${key}`;
}

const TYPING_INTO = "input, textarea, select, [contenteditable]";

/** Whether a letter belongs to what is being typed. */
export function isTyping(event: KeyboardEvent): boolean {
  return event.target instanceof Element && event.target.closest(TYPING_INTO) !== null;
}

/** How a chord looks on a keyboard. */
export function caps(chordName: string): string[] {
  return chordName.split("+").map((part) => ({ mod: "Ctrl", shift: "Shift" })[part] ?? (part.length === 1 ? part.toUpperCase() : part));
}
