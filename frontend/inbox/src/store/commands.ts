/** One thing that can be done, for the palette and for its key. */
export interface Command {
  id: string;
  name: string;
  hint?: string;
  chord?: string;
  run: () => void;
}
