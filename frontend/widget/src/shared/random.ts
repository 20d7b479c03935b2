/** Identifiers nobody can guess; `crypto.randomUUID` is missing on plain http pages, this is not. */

/** 18 random bytes as 24 characters that any address can carry: 143 bits, since `+` and `/` become one character. */
export function makeId(bytes = 18): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(bytes)))).replace(/\W/g, "_");
}
