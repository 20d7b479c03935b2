/**
 * Where the steps of a script stand in its drawing, and which way its arrows go.
 *
 * Steps stand in rows: each as many arrows away from step 0 as its row says. So
 * an arrow leads into the next row, or back. It leaves a step on its right, at
 * the line that names the answer, runs between the rows and never over a step,
 * and comes in from above; arrows to one step share the last part of their way.
 * Lengths are in units of a sixteenth of the root's font size.
 */
import type { Diagram, DiagramArrow, DiagramNode } from "../api/bot-script";

export const WIDTH = 216;
const HEAD = 34;
const TEXT = 38;
const CHIPS = 26;
const EXIT = 26;
const BOTTOM = 8;
const MARGIN = 16;
/** Between two steps of a row: room for the arrows that leave the left one. */
const BESIDE = 24;
const LANE = 7;
const BEND = 6;

export interface PlacedNode {
  node: DiagramNode;
  arrows: DiagramArrow[];
  x: number;
  y: number;
  height: number;
  /** Nothing leads here. */
  isLost: boolean;
}

export interface PlacedArrow {
  arrow: DiagramArrow;
  path: string;
  isBack: boolean;
}

export interface Drawing {
  nodes: PlacedNode[];
  arrows: PlacedArrow[];
  width: number;
  height: number;
}

type Step = number | null;

interface Slot {
  node: DiagramNode;
  exits: DiagramArrow[];
  row: number;
  x: number;
  y: number;
  height: number;
  isLost: boolean;
}

export function layOutDiagram({ nodes, arrows }: Diagram): Drawing {
  const slots = new Map<Step, Slot>();
  for (const node of nodes) {
    const exits = arrows.filter((arrow) => arrow.source === node.step);
    const height = HEAD + (node.says ? TEXT : 0) + (node.handlers.length > 0 ? CHIPS : 0) + EXIT * exits.length + BOTTOM;
    slots.set(node.step, { node, exits, row: -1, x: 0, y: 0, height, isLost: false });
  }
  const rows = makeRows(slots);
  sortRows(rows, slots);
  placeAcross(rows, slots);
  const lanes = findLanes(slots);
  const tracks = placeDown(rows, slots);
  const left = MARGIN + lanes.size * LANE + (lanes.size > 0 ? LANE : 0);
  const least = Math.min(...[...slots.values()].map((slot) => slot.x));
  for (const slot of slots.values()) slot.x += left - least;
  const all = [...slots.values()];
  return {
    nodes: all.map(({ node, exits, x, y, height, isLost }) => ({ node, arrows: exits, x, y, height, isLost })),
    arrows: all.flatMap((slot) => slot.exits.map((arrow, index) => draw(slot, arrow, index, slots, tracks, lanes))).filter((one) => one !== null),
    width: Math.max(...all.map((slot) => slot.x + WIDTH + besideOf(slot))) + MARGIN,
    height: Math.max(...all.map((slot) => slot.y + slot.height)) + MARGIN,
  };
}

const besideOf = (slot: Slot): number => BESIDE + slot.exits.length * LANE;

/** Each step's row is its distance from step 0; what nothing leads to begins rows of its own below. */
function makeRows(slots: Map<Step, Slot>): Slot[][] {
  const rows: Slot[][] = [];
  for (const root of [...slots.values()]) {
    if (root.row >= 0) continue;
    root.isLost = rows.length > 0 && root.node.step !== null;
    let row = [root];
    root.row = rows.length;
    while (row.length > 0) {
      const number = rows.push(row);
      const next: Slot[] = [];
      for (const slot of row) {
        for (const { to } of slot.exits) {
          const target = slots.get(to);
          if (!target || target.row >= 0) continue;
          target.row = number;
          next.push(target);
        }
      }
      row = next;
    }
  }
  return rows;
}

/** Steps stand below those that lead to them, as far as there is room: some sweeps by the middle of the neighbours. */
function sortRows(rows: Slot[][], slots: Map<Step, Slot>): void {
  const places = new Map<Slot, number>();
  const number = (row: Slot[]): void => row.forEach((slot, at) => places.set(slot, at - row.length / 2));
  rows.forEach(number);
  for (let sweep = 0; sweep < 4; sweep += 1) {
    for (const row of sweep % 2 === 0 ? rows : [...rows].reverse()) {
      const wanted = new Map(row.map((slot) => [slot, middle(neighbours(slot, slots).map((one) => places.get(one)!), places.get(slot)!)]));
      row.sort((a, b) => wanted.get(a)! - wanted.get(b)! || places.get(a)! - places.get(b)!);
      number(row);
    }
  }
}

function neighbours(slot: Slot, slots: Map<Step, Slot>): Slot[] {
  const below = slot.exits.map(({ to }) => slots.get(to)).filter((one) => one !== undefined && one.row === slot.row + 1) as Slot[];
  return [...parents(slot, slots), ...below];
}

function parents(slot: Slot, slots: Map<Step, Slot>): Slot[] {
  return [...slots.values()].filter((one) => one.row === slot.row - 1 && one.exits.some(({ to }) => to === slot.node.step));
}

const middle = (numbers: number[], otherwise: number): number =>
  numbers.length === 0 ? otherwise : numbers.reduce((sum, one) => sum + one, 0) / numbers.length;

/** Each row as near as can be to where its steps' parents stand, without touching one another. */
function placeAcross(rows: Slot[][], slots: Map<Step, Slot>): void {
  for (const row of rows) {
    const wanted = row.map((slot, at) => middle(parents(slot, slots).map(({ x }) => x), at * (WIDTH + BESIDE)));
    const offsets: number[] = [];
    row.forEach((_, at) => offsets.push(at === 0 ? 0 : offsets[at - 1]! + WIDTH + besideOf(row[at - 1]!)));
    const ideal = wanted.map((x, at) => x - offsets[at]!);
    levelOut(ideal).forEach((x, at) => (row[at]!.x = x + offsets[at]!));
  }
}

/** The nearest numbers that never fall: neighbours that would are levelled to their mean. */
function levelOut(numbers: number[]): number[] {
  const blocks: { sum: number; count: number }[] = [];
  for (const one of numbers) {
    let block = { sum: one, count: 1 };
    for (let last = blocks.at(-1); last && last.sum / last.count > block.sum / block.count; last = blocks.at(-1)) {
      block = { sum: block.sum + last.sum, count: block.count + last.count };
      blocks.pop();
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, count }) => Array.from({ length: count }, () => sum / count));
}

const isBack = (from: Slot, to: Slot): boolean => to.row <= from.row;

/** Arrows into rows above run up on the left, those to one step together. */
function findLanes(slots: Map<Step, Slot>): Map<Slot, number> {
  const lanes = new Map<Slot, number>();
  for (const slot of slots.values()) {
    for (const { to } of slot.exits) {
      const target = slots.get(to);
      if (target && target.row < slot.row && !lanes.has(target)) lanes.set(target, lanes.size);
    }
  }
  return lanes;
}

/** The rows from above, and above each of them a line for each step that arrows run to there. */
function placeDown(rows: Slot[][], slots: Map<Step, Slot>): Map<number, Map<Slot, number>> {
  const wanted = rows.map(() => new Set<Slot>());
  for (const slot of slots.values()) {
    for (const { to } of slot.exits) {
      const target = slots.get(to);
      if (!target) continue;
      wanted[target.row]!.add(target);
      if (target.row < slot.row) wanted[slot.row]!.add(target);
    }
  }
  const tracks = new Map<number, Map<Slot, number>>();
  let y = MARGIN;
  rows.forEach((row, number) => {
    const lines = new Map<Slot, number>();
    for (const target of wanted[number]!) lines.set(target, y + LANE + lines.size * LANE);
    tracks.set(number, lines);
    y += lines.size > 0 ? LANE * (lines.size + 1) + 14 : 0;
    for (const slot of row) slot.y = y;
    y += Math.max(...row.map(({ height }) => height)) + 14;
  });
  return tracks;
}

function draw(
  from: Slot,
  arrow: DiagramArrow,
  index: number,
  slots: Map<Step, Slot>,
  tracks: Map<number, Map<Slot, number>>,
  lanes: Map<Slot, number>,
): PlacedArrow | null {
  const to = slots.get(arrow.to);
  if (!to) return null;
  const out = from.x + WIDTH;
  const channel = out + 10 + index * LANE;
  const start = from.y + from.height - BOTTOM - EXIT * (from.exits.length - index - 0.5);
  const track = tracks.get(to.row)!.get(to)!;
  const centre = to.x + WIDTH / 2;
  const points: [number, number][] = [[out, start]];
  if (to.row < from.row) {
    const lane = MARGIN + lanes.get(to)! * LANE;
    const up = tracks.get(from.row)!.get(to)!;
    points.push([channel, start], [channel, up], [lane, up], [lane, track]);
  } else {
    points.push([channel, start], [channel, track]);
  }
  points.push([centre, track], [centre, to.y - 2]);
  return { arrow, path: bend(points), isBack: isBack(from, to) };
}

/** A line through the points, its corners rounded. */
function bend(points: [number, number][]): string {
  const [first, ...rest] = points;
  const parts = [`M${first![0]} ${first![1]}`];
  rest.forEach(([x, y], at) => {
    const next = rest[at + 1];
    if (!next) return parts.push(`L${x} ${y}`);
    const before = points[at]!;
    const into = towards([x, y], before);
    const outOf = towards([x, y], next);
    return parts.push(`L${into[0]} ${into[1]}Q${x} ${y} ${outOf[0]} ${outOf[1]}`);
  });
  return parts.join("");
}

/** The point at most BEND away, and at most half the way. */
function towards([x, y]: [number, number], [toX, toY]: [number, number]): [number, number] {
  const length = Math.hypot(toX - x, toY - y);
  const part = length === 0 ? 0 : Math.min(BEND / length, 0.5);
  return [x + (toX - x) * part, y + (toY - y) * part];
}
