/** An even scale for what has a sign: blue below, orange above, zero is the page's own ground; safe for colour-blind eyes. */
import { type Ink, isDark } from "./shades";

const LIGHT: readonly Ink[] = [[5, 48, 110], [49, 120, 183], [158, 201, 226], [255, 255, 255], [253, 196, 139], [217, 95, 14], [122, 44, 3]];
const DARK: readonly Ink[] = [[178, 218, 246], [82, 160, 214], [30, 82, 128], [24, 27, 33], [120, 62, 16], [224, 124, 44], [255, 214, 170]];

/** From -1 to 1. */
export function signedInk(share: number): Ink {
  const scale = isDark() ? DARK : LIGHT;
  const at = ((Math.min(Math.max(Number.isFinite(share) ? share : 0, -1), 1) + 1) / 2) * (scale.length - 1);
  const low = scale[Math.floor(at)] as Ink;
  const high = scale[Math.ceil(at)] as Ink;
  const mix = (n: 0 | 1 | 2): number => Math.round(low[n] + (high[n] - low[n]) * (at % 1));
  return [mix(0), mix(1), mix(2)];
}

export const signedShade = (share: number): string => `rgb(${signedInk(share).join(" ")})`;

export const signed = (value: number, digits = 2): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
