/** Identifiers nobody can guess; `crypto.randomUUID` is missing on plain http pages, this is not. */

/** 18 random bytes, 144 bits, as 24 characters that any address can carry. */
export function makeId(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18))))
    .replace(/\+/g, "-")
    .replace(/\//g, "_");
}
