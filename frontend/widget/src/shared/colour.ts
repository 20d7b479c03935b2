/** The brand colour, and the ink that can be read on it. */

/**
 * White or black on `#rrggbb`, with 4.5:1 at least. The simple power stands for the exact curve:
 * its error is smaller than the room around the luminance where both inks have 4.58:1.
 */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\w\w/g) ?? []).map((part) => (parseInt(part, 16) / 255) ** 2.25);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.177 ? "#000" : "#fff";
}
