/** The brand colour, and the ink that can be read on it. */

/**
 * White or black on `#rrggbb`, with 4.5:1 at least. The simple power stands for the exact curve:
 * its error is smaller than the room around the luminance where both inks have 4.58:1.
 */
export function inkOn(colour: string): string {
  const luminance = [0.2126, 0.7152, 0.0722].reduce(
    (sum, weight, at) => sum + weight * (+`0x${colour.slice(2 * at + 1, 2 * at + 3)}` / 255) ** 2.25,
    0,
  );
  return luminance > 0.177 ? "#000" : "#fff";
}
