/** The names of a grid's rows: part of its picture, and once more over it, where they stay when the grid is scrolled. */
export interface Names {
  /** Name and height of its middle, px. */
  rows: [string, number][];
  /** Width of the column of names, px. */
  left: number;
}

export function RowNames({ rows, left }: Names) {
  return (
    <>
      {rows.map(([name, y]) => (
        <text key={y} x={left - 7} y={y + 4} text-anchor="end" opacity="0.7">
          {name}
        </text>
      ))}
    </>
  );
}

/** Stands before the picture in a box that scrolls, and takes no height. */
export function StayingNames(props: Names & { height: number; size: number }) {
  return (
    <div class="staying" aria-hidden="true">
      <svg width={props.left} height={props.height} font-family="ui-monospace, monospace" font-size={props.size} fill="currentColor">
        <RowNames rows={props.rows} left={props.left} />
      </svg>
    </div>
  );
}
