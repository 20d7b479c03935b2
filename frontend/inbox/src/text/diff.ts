/** The difference of two texts, line by line. */

export interface DiffLine {
  kind: "same" | "gone" | "new";
  text: string;
  /** The line's number in the old text and in the new one. */
  before: number | null;
  after: number | null;
}

/** More changed lines than these are shown as one block that went and one that came. */
const MOST_CHANGES = 1_500;

/** The shortest way from one text to the other (Myers, An O(ND) Difference Algorithm). */
export function diffLines(before: string, after: string): DiffLine[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const same = (from: number, to: number, shift: number): DiffLine[] =>
    a.slice(from, to).map((text, i) => ({ kind: "same", text, before: from + i + 1, after: from + i + 1 + shift }));
  const middle = change(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head);
  return [...same(0, head, 0), ...middle, ...same(a.length - tail, a.length, b.length - a.length)];
}

function change(a: string[], b: string[], offset: number): DiffLine[] {
  const lines: DiffLine[] = [];
  const trace = search(a, b) ?? null;
  let [x, y] = [a.length, b.length];
  const gone = (): void => void lines.push({ kind: "gone", text: a[--x]!, before: offset + x + 1, after: null });
  const came = (): void => void lines.push({ kind: "new", text: b[--y]!, before: null, after: offset + y + 1 });
  const same = (): void => void lines.push({ kind: "same", text: a[--x]!, before: offset + x + 1, after: offset + y-- });
  for (let d = (trace?.length ?? 0) - 1; trace && d > 0; d -= 1) {
    const reach = trace[d]!;
    const k = x - y;
    const isDown = k === -d || (k !== d && reach.get(k - 1)! < reach.get(k + 1)!);
    const from = reach.get(isDown ? k + 1 : k - 1)!;
    const to = isDown ? from : from + 1;
    while (x > to) same();
    if (isDown) came();
    else gone();
  }
  if (trace) while (x > 0) same();
  while (y > 0) came();
  while (x > 0) gone();
  return lines.reverse();
}

/** How far each diagonal was reached before each step; null when the texts differ too much. */
function search(a: string[], b: string[]): Map<number, number>[] | null {
  let reach = new Map([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= MOST_CHANGES; d += 1) {
    trace.push(reach);
    const next = new Map<number, number>();
    for (let k = -d; k <= d; k += 2) {
      const isDown = k === -d || (k !== d && reach.get(k - 1)! < reach.get(k + 1)!);
      let x = isDown ? reach.get(k + 1)! : reach.get(k - 1)! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return trace;
    }
    reach = next;
  }
  return null;
}

/** What lies far from any change is left out: runs of equal lines, as how many they are. */
export function fold(lines: DiffLine[], around = 3): (DiffLine | { kind: "fold"; count: number })[] {
  const near = lines.map(() => false);
  lines.forEach((line, i) => {
    if (line.kind !== "same") near.fill(true, Math.max(0, i - around), i + around + 1);
  });
  const shown: (DiffLine | { kind: "fold"; count: number })[] = [];
  lines.forEach((line, i) => {
    const last = shown.at(-1);
    if (near[i]) shown.push(line);
    else if (last?.kind === "fold") last.count += 1;
    else shown.push({ kind: "fold", count: 1 });
  });
  return shown;
}
