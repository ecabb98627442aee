/** Coloured cells with words as a picture of its own, for panels that are no charts. */
export interface Cell {
  column: number;
  row: number;
  fill: string;
  ink?: string;
  words?: string;
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** An SVG of cells of this width and height, in pixels. */
export function cellsSvg(cells: readonly Cell[], width: number, height: number): string {
  const columns = Math.max(...cells.map((one) => one.column)) + 1;
  const rows = Math.max(...cells.map((one) => one.row)) + 1;
  const drawn = cells.map((one) => {
    const [x, y] = [one.column * width, one.row * height];
    const rect = `<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="${one.fill}"/>`;
    return one.words === undefined ? rect : `${rect}<text x="${x + width / 2}" y="${y + height * 0.67}" text-anchor="middle" fill="${one.ink}">${escaped(one.words)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${columns * width}" height="${rows * height}" font-family="monospace" font-size="14">${drawn.join("")}</svg>`;
}
