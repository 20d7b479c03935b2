/** The generations of the snippet that sites carry: which names each one puts on the page. */

export interface Names {
  /** The object with `id`, `hash` and `setMeta`; its script's id is this name and `_script`. */
  object: string;
  /** The command function. */
  command: string;
  /** The settings a page may define. */
  config: string;
}

/** Current since 23.11.2019; the other generations join this table. */
const GENERATIONS: readonly Names[] = [
  { object: "amo_social_button", command: "amoSocialButton", config: "amoSocialButtonConfig" },
];

/** What a site's snippet has left on the page. */
export interface Snippet {
  names: Names;
  site: {
    id: unknown;
    hash: unknown;
    locale?: unknown;
    inline?: unknown;
    params?: unknown;
    setMeta?: unknown;
  };
}

/** A page's global, whatever it is; an element with that id counts as none. */
export function readGlobal(name: string): unknown {
  const value: unknown = (window as unknown as Record<string, unknown>)[name];
  return value instanceof Node ? undefined : value;
}

/** The script is named after its object; one with another name finds the first object there is. */
export function findSnippet(scriptId: string): Snippet | undefined {
  const found = GENERATIONS.map((names) => ({ names, site: readGlobal(names.object) as Snippet["site"] })).filter(
    ({ site }) => site?.id && site.hash,
  );
  return found.find(({ names }) => scriptId.startsWith(names.object)) ?? found[0];
}
