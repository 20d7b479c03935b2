/** One line at most: the console belongs to the page. */

let hasWarned = false;

export function warn(text: unknown): void {
  if (!hasWarned) console.warn(`knopka: ${text}`);
  hasWarned = true;
}
