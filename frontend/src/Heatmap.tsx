/** A grid of signed values: a cell is hovered, chosen by click or by the arrow keys, and said in words. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { signed, signedShade } from "./diverging";
import { arrow } from "./keys";
import { RowNames, StayingNames } from "./RowNames";
import { useRoom } from "./room";

export interface Grid {
  rows: string[];
  columns: string[];
  /** Row by row; null where nothing was measured yet. */
  values: (number | null)[];
  unit: string;
}

const TOP = 3;
const LETTER = 6.7;
/** What the side panel and the details take. */
const BESIDE = 850;

export function Heatmap(props: {
  grid: Grid;
  limit: number;
  chosen: number;
  choose: (cell: number) => void;
  label: string;
  hint: string;
  picture: RefObject<SVGSVGElement | null>;
}) {
  const { rows, columns, values, unit } = props.grid;
  const [hovered, setHovered] = useState(-1);
  const longest = (labels: string[]): number => LETTER * Math.max(...labels.map((label) => label.length));
  const left = Math.ceil(longest(rows)) + 10;
  const below = Math.ceil(0.87 * longest(columns)) + 14;
  const width = Math.max(5, Math.min(columns.length > 12 ? 34 : 54, (useRoom(BESIDE) - left) / columns.length));
  const height = Math.max(5, Math.min(rows.length > 12 ? 26 : 38, 620 / rows.length));
  const place = (cell: number): string => `${rows[Math.floor(cell / columns.length)]}, ${columns[cell % columns.length]}`;
  const value = (cell: number): string => (values[cell] == null ? "not measured yet" : `${signed(values[cell] ?? 0)} ${unit}`);
  const keys = (event: KeyboardEvent): void => arrow(event, Math.max(0, props.chosen), columns.length, values.length, props.choose);
  const seen = hovered >= 0 ? hovered : props.chosen;
  const every = (size: number, count: number): number => Math.max(1, Math.ceil(12 / size), Math.ceil(count / 64));
  const names = rows.map((row, n): [string, number] => [row, TOP + height * (n + 0.5)]).filter((_, n) => n % every(height, rows.length) === 0);
  return (
    <div class="heatmap">
      <div class="scroll">
        <StayingNames rows={names} left={left} height={TOP + height * rows.length} size={11} />
        <svg
          ref={props.picture}
          xmlns="http://www.w3.org/2000/svg"
          class="grid"
          role="grid"
          aria-label={props.label}
          tabindex={0}
          width={left + width * columns.length + 2}
          height={height * rows.length + TOP + below}
          font-family="ui-monospace, monospace"
          font-size="11"
          fill="currentColor"
          onKeyDown={keys}
          onMouseLeave={() => setHovered(-1)}
        >
          <RowNames rows={names} left={left} />
          {columns.map((column, n) =>
            n % every(width, columns.length) === 0 ? (
              <text key={n} text-anchor="end" opacity="0.75" transform={`translate(${left + width * (n + 0.5) + 4} ${TOP + height * rows.length + 6}) rotate(-60)`}>
                {column}
              </text>
            ) : null,
          )}
          {values.map((one, n) => (
            <rect
              key={n}
              role="gridcell"
              aria-label={`${place(n)}: ${value(n)}`}
              aria-selected={n === props.chosen}
              x={left + width * (n % columns.length)}
              y={TOP + height * Math.floor(n / columns.length)}
              width={Math.max(width - 0.5, 1)}
              height={Math.max(height - 0.5, 1)}
              fill={one === null ? "none" : signedShade(one / props.limit)}
              stroke={one === null ? "currentColor" : "none"}
              stroke-opacity="0.12"
              pointer-events="all"
              onMouseEnter={() => setHovered(n)}
              onClick={() => props.choose(n)}
            />
          ))}
          <rect x={left - 0.5} y={TOP - 0.5} width={width * columns.length + 0.5} height={height * rows.length + 0.5} fill="none" stroke="currentColor" stroke-opacity="0.25" pointer-events="none" />
          {seen >= 0 && seen < values.length && (
            <rect
              x={left + width * (seen % columns.length) - 1}
              y={TOP + height * Math.floor(seen / columns.length) - 1}
              width={width + 1}
              height={height + 1}
              rx="2"
              fill="none"
              stroke="currentColor"
              stroke-width="2"
              pointer-events="none"
            />
          )}
        </svg>
      </div>
      <div class="row-of">
        <SignedLegend words={unit} limit={props.limit} />
        <span class="hint" aria-live="polite">
          {seen >= 0 && seen < values.length ? `${place(seen)}: ${value(seen)}` : props.hint}
        </span>
      </div>
    </div>
  );
}

export function SignedLegend(props: { words: string; limit: number }) {
  return (
    <div class="legend">
      <span class="number">{signed(-props.limit)}</span>
      <svg width="140" height="10" aria-hidden="true">
        {Array.from({ length: 29 }, (_, n) => (
          <rect key={n} x={(n * 140) / 29} width={140 / 29 + 0.3} height="10" fill={signedShade(n / 14 - 1)} />
        ))}
      </svg>
      <span class="number">{signed(props.limit)}</span>
      <span>{props.words}</span>
    </div>
  );
}
