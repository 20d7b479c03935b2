/** The brand colour, and the ink that can be read on it. */

/**
 * Black or white, whichever stands out more on `#rrggbb`. 0.179 is the luminance where both have
 * 4.58:1; the simple power keeps the error below what would cost 4.5:1.
 */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\w\w/g) ?? []).map((part) => (parseInt(part, 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}
