/** The one way out: a request without cookies that never throws. */

export interface Answer {
  /** 0 when no answer came. */
  status: number;
  body?: unknown;
  /** Milliseconds the server asks us to wait. */
  waitMs: number;
}

// A browser's timer of more than 24 days goes off at once.
const LONGEST_WAIT_MS = 24 * 3600_000;

const PATIENCE_MS = 60_000;

// Pages that wrap fetch later do not come between us and the server.
const { fetch } = window;

export async function request(url: string, body?: string, keepalive?: boolean): Promise<Answer> {
  const answer: Answer = { status: 0, waitMs: 0 };
  try {
    const response = await fetch(url, {
      method: body && "POST",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
      body,
      keepalive,
    } as RequestInit);
    answer.status = response.status;
    answer.waitMs = Math.min(LONGEST_WAIT_MS, +response.headers.get("Retry-After")! * 1000 || 0);
    answer.body = await response.json();
  } catch {
    // No answer, or one without JSON: the status tells them apart.
  }
  return answer;
}
