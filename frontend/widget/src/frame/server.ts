/** The chat's requests: a token of its own in a header, no cookies, and no token before the first word. */

import { forget, keep, recall } from "../shared/storage";

export interface Reply<T> {
  /** 0 when no answer came. */
  status: number;
  body: T | null;
  waitMs: number;
}

const DEADLINE_MS = 20_000;
/** A browser's timer of more than 24 days goes off at once. */
const LONGEST_WAIT_MS = 24 * 3600_000;
/** What a header can carry; anything else in the storage was not put there by us. */
const TOKEN = /^[\w-]{20,200}$/;

export class Server {
  readonly #api: string;
  readonly #name: string;
  #minting: Promise<number> | null = null;

  constructor(api: string, buttonId: string) {
    this.#api = api;
    this.#name = `knopka.token.${buttonId}`;
  }

  get token(): string | null {
    const kept = recall(this.#name);
    return kept && TOKEN.test(kept) ? kept : null;
  }

  /** The server no longer knows this token; the next word needs a new one. */
  dropToken(): void {
    forget(this.#name);
  }

  get liveAddress(): string {
    return new URL(`${this.#api}/live`, location.href).href.replace(/^http/, "ws");
  }

  /** Make sure there is a token; the status of the attempt, 201 when there is one. */
  async ensureToken(): Promise<number> {
    if (this.token) return 201;
    this.#minting ??= this.#mint().finally(() => (this.#minting = null));
    return this.#minting;
  }

  async #mint(): Promise<number> {
    const { status, body } = await this.post<{ token: string }>("token", {});
    if (!body?.token) return status < 400 ? 0 : status;
    // Another tab of this visitor may have been quicker: one visitor, one token.
    if (!this.token) keep(this.#name, body.token);
    return 201;
  }

  post<T>(path: string, body: unknown): Promise<Reply<T>> {
    return this.#send<T>(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  }

  get<T>(path: string): Promise<Reply<T>> {
    return this.#send<T>(path, {});
  }

  async #send<T>(path: string, init: RequestInit): Promise<Reply<T>> {
    const headers = new Headers(init.headers);
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    try {
      const response = await fetch(`${this.#api}/${path}`, {
        ...init,
        headers,
        credentials: "omit",
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const waitMs = Math.min(LONGEST_WAIT_MS, (Number(response.headers.get("Retry-After")) || 0) * 1000);
      const body = response.headers.get("Content-Type")?.includes("json") ? ((await response.json()) as T) : null;
      return { status: response.status, body: response.ok ? body : null, waitMs };
    } catch {
      return { status: 0, body: null, waitMs: 0 };
    }
  }
}
