/** The visit id: the launcher's only secret, which may add data to this visit and read nothing. */

import { VISIT_MS } from "./limits";
import { makeId } from "./shared/random";
import { keep, recall } from "./shared/storage";

/** The same browser keeps its visit for 30 days, unless another button or another user comes. */
export function findVisit(button: string, user: unknown): string {
  const kept = recall("knopka.visit");
  const [since, owner] = (recall("knopka.visit.of") ?? "").split(" ").map(Number);
  // Tells users apart without keeping their names.
  const wanted = [...(button + user)].reduce((sum, char) => (sum * 65599 + char.codePointAt(0)!) | 0, 0);
  // Anything on the page may have written there, and a clock may have run ahead by a year.
  const isOurs = /^[\w-]{24}$/.test(kept!) && owner === wanted;
  if (isOurs && Math.abs(Date.now() - since!) < VISIT_MS) return kept!;
  const visit = makeId();
  keep("knopka.visit", visit);
  keep("knopka.visit.of", `${Date.now()} ${wanted}`);
  keep("knopka.history", "");
  return visit;
}
