/** The one way the inbox speaks HTTP: JSON in, JSON or an `ApiError` out. */

const DEADLINE_MS = 20_000;
/** A browser's timer of more than 24 days goes off at once. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

/** One thing that is wrong with what was sent, and where: `$.values.token`. */
export interface Fault {
  path: string;
  message: string;
}

/** What went wrong, sorted by what an operator can do about it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterMs: number | null = null,
    readonly faults: readonly Fault[] = [],
  ) {
    super(message);
  }

  /** True when the same request may succeed later without any change. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  get isOffline(): boolean {
    return this.status === 0;
  }
}

let onSignedOut: () => void = () => undefined;
let language = "en";

/** Says what to do at a 401, once, before the first request. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

/** The language in which the server says verdicts and errors. */
export function speak(locale: string): void {
  language = locale;
}

/** Reads what is at the path; an answer without `mark`, which each true one has, is not our server's. */
export async function get<T extends object>(
  path: string,
  mark: keyof T,
  params: Record<string, string | number | null> = {},
): Promise<T> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null) query.set(name, String(value));
  }
  const text = query.toString();
  const answer: unknown = await ask("GET", text ? `${path}?${text}` : path);
  if (typeof answer !== "object" || answer === null || !(mark in answer)) throw new ApiError(502, "unreadable", "");
  return answer as T;
}

export const post = <T>(path: string, body: object, deadlineMs = DEADLINE_MS): Promise<T> => ask<T>("POST", path, body, deadlineMs);
export const patch = <T>(path: string, body: object, deadlineMs = DEADLINE_MS): Promise<T> => ask<T>("PATCH", path, body, deadlineMs);
export const remove = (path: string, body: object, deadlineMs = DEADLINE_MS): Promise<void> => ask<void>("DELETE", path, body, deadlineMs);

async function ask<T>(method: string, path: string, body?: object, deadlineMs = DEADLINE_MS): Promise<T> {
  const response = await reach(method, path, body, deadlineMs);
  if (response.status === 401) {
    onSignedOut();
    throw new ApiError(401, "not_signed_in", "");
  }
  if (!response.ok) throw await readError(response);
  if (response.status === 204) return undefined as T;
  return readJson<T>(response);
}

async function reach(method: string, path: string, body: object | undefined, deadlineMs: number): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": language };
  if (method !== "GET") headers["X-Knopka"] = "inbox";
  if (body) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`/inbox/api/${path}`, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(deadlineMs),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
}

async function readJson<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T;
  } catch {
    // A cut in the middle of an answer: what it said is not known, so ask again.
    throw new ApiError(0, "unreachable", "");
  }
}

async function readError(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const wait = Number.isFinite(seconds) ? Math.min(LONGEST_WAIT_MS, seconds * 1000) : null;
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string; faults?: Fault[] } };
    return new ApiError(response.status, error.code, error.message, wait, Array.isArray(error.faults) ? error.faults : []);
  } catch {
    return new ApiError(response.status, "unknown", "", wait);
  }
}

/** A fresh idempotency key; `randomUUID` is missing where the page is not on https. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
