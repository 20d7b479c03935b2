/** The brand colour, and the ink that can be read on it. */

/** White wherever it has 4.5:1 on `#rrggbb` (a luminance up to 0.183), else black, which then has more. */
export function inkOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = (colour.match(/\w\w/g) ?? []).map((part) => {
    const level = parseInt(part, 16) / 255;
    return level < 0.04 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.183 ? "#000" : "#fff";
}
