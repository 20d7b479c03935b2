/** The generations of the snippet that sites carry: which names each one puts on the page. */

/**
 * The object with `id`, `hash` and `setMeta`; its script's id is this name and `_script`. This one is
 * current since 23.11.2019; the other generations join the list.
 */
const GENERATIONS = ["amo_social_button"];

/** What a site's snippet has left on the page. */
export interface Snippet {
  /** The command function's name; that of the settings a page may define is this and `Config`. */
  command: string;
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
export function findSnippet(scriptId: string | undefined): Snippet | undefined {
  const found = GENERATIONS.map((name) => ({
    name,
    command: name.replace(/_./g, ([, letter]) => letter!.toUpperCase()),
    site: readGlobal(name) as Snippet["site"],
  })).filter(({ site }) => site?.id && site.hash);
  return found.find(({ name }) => scriptId?.startsWith(name)) ?? found[0];
}
