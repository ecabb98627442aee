/** The arrow keys in a grid that is counted row by row: the cell beside, above or below the chosen one. */
export function arrow(event: KeyboardEvent, chosen: number, across: number, count: number, choose: (cell: number) => void): void {
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  const to = chosen + (by ?? 0);
  if (by === undefined || to < 0 || to >= count) return;
  event.preventDefault();
  choose(to);
}
