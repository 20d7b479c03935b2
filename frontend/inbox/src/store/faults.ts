/** An error in the reader's words. */
import { ApiError } from "../api/http";
import { language } from "../words/index.svelte";

/** The server's own sentence where it has one for just this, else ours. */
export function sentenceOf(error: unknown): string {
  const isSaid = error instanceof ApiError && [400, 409].includes(error.status) && error.message;
  return isSaid ? error.message : wordsOf(error);
}

export function wordsOf(error: unknown): string {
  const { errors } = language.words;
  if (!(error instanceof ApiError)) throw error;
  if (error.isOffline) return errors.unreachable;
  switch (error.status) {
    case 403:
      return errors.notAllowed;
    case 404:
      return errors.gone;
    case 409:
      return errors.conflict;
    case 413:
      return errors.tooLarge;
    case 429:
    case 503:
      return errors.busy;
    default:
      return error.status < 500 && error.message ? error.message : errors.failed;
  }
}
