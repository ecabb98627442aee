/** Perceptually even scales that colour-blind eyes can read: zero is the page's own ground, one is full ink. */
export type Ink = readonly [number, number, number];

const LIGHT: readonly Ink[] = [[255, 255, 255], [222, 235, 247], [158, 202, 225], [66, 146, 198], [8, 81, 156], [8, 38, 84]];
const DARK: readonly Ink[] = [[24, 27, 33], [22, 50, 82], [25, 88, 139], [52, 137, 190], [130, 192, 226], [226, 242, 252]];

export const isDark = (): boolean => document.documentElement.dataset.theme === "dark";

export function ink(share: number): Ink {
  const scale = isDark() ? DARK : LIGHT;
  const at = Math.min(Math.max(Number.isFinite(share) ? share : 0, 0), 1) * (scale.length - 1);
  const low = scale[Math.floor(at)] as Ink;
  const high = scale[Math.ceil(at)] as Ink;
  const mix = (n: 0 | 1 | 2): number => Math.round(low[n] + (high[n] - low[n]) * (at % 1));
  return [mix(0), mix(1), mix(2)];
}

export const shade = (share: number): string => `rgb(${ink(share).join(" ")})`;

/** Ink for words on a shade. */
export function onShade(share: number): string {
  const [r, g, b] = ink(share);
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#14171c" : "#ffffff";
}

export const shown = (piece: string): string =>
  piece.replaceAll("\n", "⏎").replaceAll(" ", "␣").replaceAll("\t", "⇥");
export const percent = (p: number): string => (p >= 0.0995 ? `${(100 * p).toFixed(0)} %` : `${(100 * p).toFixed(1)} %`);

/** Layers from the first to the last, by an even scale (viridis) whose end that the ground would swallow is left out. */
const VIRIDIS: readonly Ink[] = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

export function layerInk(layer: number, layers: number): string {
  const share = layers > 1 ? layer / (layers - 1) : 0;
  const at = (isDark() ? 0.25 + 0.75 * share : 0.85 * share) * (VIRIDIS.length - 1);
  const low = VIRIDIS[Math.floor(at)] as Ink;
  const high = VIRIDIS[Math.ceil(at)] as Ink;
  return `rgb(${low.map((part, n) => Math.round(part + ((high[n] ?? part) - part) * (at % 1))).join(" ")})`;
}
