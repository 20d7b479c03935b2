/** Short words at the edge of the screen: what was done, and how to undo it. */

export interface Notice {
  id: number;
  text: string;
  kind: "done" | "fault";
  undo: (() => void) | null;
}

const SHOWN_MS = 10_000;

class Notices {
  shown = $state.raw<Notice[]>([]);
  #next = 1;
  #timers = new Map<number, number>();

  done(text: string, undo: (() => void) | null = null): void {
    this.#show({ id: this.#next++, text, kind: "done", undo });
  }

  fault(text: string): void {
    this.#show({ id: this.#next++, text, kind: "fault", undo: null });
  }

  drop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.shown = this.shown.filter((notice) => notice.id !== id);
  }

  /** Nothing vanishes under a pointer or under the focus. */
  hold(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  release(): void {
    for (const notice of this.shown) this.#count(notice.id);
  }

  #show(notice: Notice): void {
    this.shown = [...this.shown.filter((other) => other.text !== notice.text).slice(-2), notice];
    this.#count(notice.id);
  }

  #count(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, window.setTimeout(() => this.drop(id), SHOWN_MS));
  }
}

export const notices = new Notices();
