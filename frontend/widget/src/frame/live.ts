/** The socket that brings news; comes back by itself, and asks by HTTP while sockets are impossible. */

export interface LiveParts {
  address: string;
  /** What the server needs to know to go on where we stopped; null when there is nobody to be live for. */
  hello: () => Record<string, unknown> | null;
  onEvent: (event: Record<string, unknown>) => void;
  onState: (state: LiveState) => void;
  /** Ask for news by HTTP; tells whether the server answered. */
  poll: () => Promise<boolean>;
  /** The token is not known any more. */
  onRefused: () => void;
}

export type LiveState = "off" | "connecting" | "on" | "polling" | "lost";

const PING_MS = 25_000;
const PATIENCE_MS = 10_000;
const SHORTEST_MS = 500;
const LONGEST_MS = 30_000;
const POLL_MS = 5_000;
const FAILURES_BEFORE_POLLING = 3;
const BAD_TOKEN = 4401;
const UNKNOWN_BUTTON = 4404;
const TOO_MANY = 4429;

export class Live {
  readonly #parts: LiveParts;
  #socket: WebSocket | null = null;
  #retry = 0;
  #heart = 0;
  #deadline = 0;
  #failures = 0;
  #isPolling = false;
  #isStopped = true;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#isStopped = false;
    this.#connect();
  }

  /** Close without coming back: the page is being left or kept for later. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#drop();
    this.#parts.onState("off");
  }

  /** At once, whatever the pause: the network is back or the visitor looks. */
  hurry(): void {
    if (this.#isStopped) return;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#ping();
    else if (!this.#socket) this.#connect();
  }

  send(event: Record<string, unknown>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
  }

  #connect(): void {
    clearTimeout(this.#retry);
    const hello = this.#parts.hello();
    if (this.#socket || this.#isStopped || !hello) return;
    if (!this.#failures) this.#parts.onState("connecting");
    const socket = new WebSocket(this.#parts.address);
    this.#socket = socket;
    this.#expect(PATIENCE_MS);
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(String(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#lose(code);
    };
  }

  #receive(data: string): void {
    clearTimeout(this.#deadline);
    const event = readEvent(data);
    if (!event) return;
    if (event["type"] === "welcome") {
      this.#failures = 0;
      this.#parts.onState("on");
      clearInterval(this.#heart);
      this.#heart = setInterval(() => this.#ping(), PING_MS);
    }
    this.#parts.onEvent(event);
  }

  #ping(): void {
    this.send({ type: "ping" });
    this.#expect(PATIENCE_MS);
  }

  /** No word within this time, and the connection counts as dead. */
  #expect(ms: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#lose(0), ms);
  }

  #drop(): void {
    clearInterval(this.#heart);
    clearTimeout(this.#deadline);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #lose(code: number): void {
    this.#drop();
    if (this.#isStopped) return;
    if (code === BAD_TOKEN || code === UNKNOWN_BUTTON) {
      this.#isStopped = true;
      this.#parts.onState("lost");
      return this.#parts.onRefused();
    }
    this.#failures++;
    const pause = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** (this.#failures + (code === TOO_MANY ? 5 : 0)));
    this.#retry = setTimeout(() => this.#connect(), Math.max(SHORTEST_MS, pause * Math.random()));
    if (this.#failures < FAILURES_BEFORE_POLLING) this.#parts.onState("connecting");
    else void this.#poll();
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    while (this.#failures >= FAILURES_BEFORE_POLLING && !this.#isStopped) {
      const isAnswered = await this.#parts.poll();
      if (this.#failures >= FAILURES_BEFORE_POLLING) this.#parts.onState(isAnswered ? "polling" : "lost");
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    this.#isPolling = false;
  }
}

/** What is no event of ours is passed over; the next word may be one again. */
function readEvent(data: string): Record<string, unknown> | null {
  try {
    return Object(JSON.parse(data)) as Record<string, unknown>;
  } catch {
    return null;
  }
}
