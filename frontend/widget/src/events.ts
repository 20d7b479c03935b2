/** The page's callbacks: none of them can break another, or us. */

type Callback = (...args: unknown[]) => unknown;

const callbacks = new Map<string, Map<unknown, Callback>>();

/**
 * Scripts of sites register the same callback on every tick of a timer: a new closure of the
 * same source takes the old one's place. Bound functions all have the same source.
 */
export function listen(name: string, callback: Callback): void {
  const source = String(callback);
  const listeners = callbacks.get(name) ?? new Map<unknown, Callback>();
  callbacks.set(name, listeners.set(source.includes("[native") ? callback : source, callback));
}

export function fire(name: string, ...args: unknown[]): void {
  callbacks.get(name)?.forEach((callback) => call(callback, ...args));
}

/** A page's own fault is reported as the page's own and goes no further. */
export function call(callback: Callback, ...args: unknown[]): void {
  try {
    callback(...args);
  } catch (error) {
    reportError(error);
  }
}
