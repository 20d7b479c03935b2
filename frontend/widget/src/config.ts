/** The button's settings, as our server answers them. */

export interface Channel {
  kind: string;
  title: string | null;
  /** Holds `{code}`, and `{short}` where a text is prefilled; null for the chat on the page. */
  link: string | null;
  /** Nothing happens where the app is missing. */
  needs_app: boolean;
}

export interface Config {
  locale: string;
  inline: boolean;
  color: string;
  channels: Channel[];
  frame: string;
}
