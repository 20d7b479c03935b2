/** The button's settings, as our server answers them. */

export interface Channel {
  kind: string;
  title: string | null;
  link: string | null;
}

export interface Config {
  locale: string;
  inline: boolean;
  color: string;
  channels: Channel[];
  frame: string;
}
