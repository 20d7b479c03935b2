/** The live line: one socket that comes back by itself and says how it is. */
import type { LiveEvent } from "./shapes";

const HEARTBEAT_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const OPEN_WITHIN_MS = 10_000;
const SHORTEST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const NOT_SIGNED_IN = 4401;

export interface LineListener {
  /** The line stands (again): what was missed must be fetched now. */
  opened(): void;
  /** The line is gone, for the n-th time in a row; it comes back by itself. */
  lost(failures: number): void;
  event(event: LiveEvent): void;
  signedOut(): void;
}

export class Line {
  #socket: WebSocket | null = null;
  #failures = 0;
  #retry: number | undefined;
  #heartbeat: number | undefined;
  #deadline: number | undefined;
  #leave = new AbortController();

  constructor(
    private readonly url: string,
    private readonly listener: LineListener,
  ) {}

  open(): void {
    const { signal } = this.#leave;
    window.addEventListener("online", () => this.#now(), { signal });
    window.addEventListener("offline", () => this.#drop(), { signal });
    // A page kept in the back/forward cache must not hold a socket.
    window.addEventListener("pagehide", () => this.#drop(), { signal });
    window.addEventListener("pageshow", () => this.#now(), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#now(), { signal });
    this.#connect();
  }

  close(): void {
    this.#leave.abort();
    this.#forget();
    clearTimeout(this.#retry);
  }

  send(message: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Connects at once when there is no line; else asks whether it still lives. */
  #now(): void {
    if (!this.#socket) this.#connect();
    else if (this.#socket.readyState === WebSocket.OPEN) this.#ping();
  }

  #connect(): void {
    clearTimeout(this.#retry);
    if (this.#socket) return;
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#expect(OPEN_WITHIN_MS);
    socket.onopen = () => this.#opened();
    socket.onmessage = (message: MessageEvent<string>) => this.#heard(message.data);
    socket.onclose = (close) => {
      if (close.code === NOT_SIGNED_IN) this.listener.signedOut();
      this.#drop();
    };
  }

  #opened(): void {
    this.#failures = 0;
    clearTimeout(this.#deadline);
    clearInterval(this.#heartbeat);
    this.#heartbeat = window.setInterval(() => this.#ping(), HEARTBEAT_MS);
    this.listener.opened();
  }

  #heard(text: string): void {
    clearTimeout(this.#deadline);
    const event = readEvent(text);
    if (event) this.listener.event(event);
  }

  #ping(): void {
    this.send({ type: "ping" });
    this.#expect(PONG_WITHIN_MS);
  }

  #expect(withinMs: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = window.setTimeout(() => this.#drop(), withinMs);
  }

  #drop(): void {
    this.#forget();
    this.#failures += 1;
    this.listener.lost(this.#failures);
    const ceiling = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** this.#failures);
    clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => this.#connect(), SHORTEST_WAIT_MS + Math.random() * (ceiling - SHORTEST_WAIT_MS));
  }

  #forget(): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#heartbeat);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}

/** What is no event of ours is passed over; the next word may be one again. */
function readEvent(text: string): LiveEvent | null {
  try {
    return JSON.parse(text) as LiveEvent | null;
  } catch {
    return null;
  }
}
