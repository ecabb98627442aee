/** Small pieces that every view uses: a panel with its command and exports, a legend, a list of likely symbols. */
import type { ComponentChildren } from "preact";
import { savePng, saveSvg, standalone } from "./pictures";
import { percent, shade, shown } from "./shades";

export function save(name: string, type: string, content: BlobPart): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const cell = (value: unknown): string => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
export const csv = (rows: unknown[][]): string => rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";

export interface Exports {
  name: string;
  rows: () => unknown[][];
  data: () => unknown;
  /** The chart that PNG and SVG are made of, or the drawing as SVG. */
  chart?: () => SVGSVGElement | null | undefined;
  drawing?: () => string;
}

function drawn(out: Exports, write: (drawing: string, name: string) => void): void {
  const chart = out.chart?.();
  const drawing = chart ? standalone(chart) : out.drawing?.();
  if (drawing) write(drawing, out.name);
}

export function Panel(props: {
  title: string;
  hint: string;
  waiting: boolean;
  error: string;
  command: string;
  library: string;
  exports?: Exports | undefined;
  children: ComponentChildren;
}) {
  const out = props.exports;
  return (
    <section class="panel" aria-busy={props.waiting} aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        <p class="hint">{props.hint}</p>
        {out && (
          <div class="exports">
            <button onClick={() => save(`${out.name}.csv`, "text/csv", csv(out.rows()))}>CSV</button>
            <button onClick={() => save(`${out.name}.json`, "application/json", JSON.stringify(out.data()))}>JSON</button>
            {(out.chart || out.drawing) && (
              <>
                <button onClick={() => drawn(out, savePng)}>PNG</button>
                <button onClick={() => drawn(out, saveSvg)}>SVG</button>
              </>
            )}
          </div>
        )}
      </header>
      {props.error !== "" && (
        <p class="error" role="alert">
          {props.error}
        </p>
      )}
      {props.children}
      <details class="same">
        <summary>The same from the terminal and the library</summary>
        {props.command !== "" && <pre>{props.command}</pre>}
        <pre>{props.library}</pre>
      </details>
    </section>
  );
}

export function Legend(props: { words: string; low: string; high: string }) {
  return (
    <div class="legend">
      <span>{props.words}</span>
      <span class="number">{props.low}</span>
      <svg width="120" height="10" aria-hidden="true">
        {Array.from({ length: 24 }, (_, n) => (
          <rect key={n} x={n * 5} width="5" height="10" fill={shade(n / 23)} />
        ))}
      </svg>
      <span class="number">{props.high}</span>
    </div>
  );
}

/** `mark` says of what the marks are, where there are some. */
export function Likely(props: { title: string; top: string[]; chance: number[]; before?: Map<string, number> | undefined; mark?: string }) {
  return (
    <div class="likely">
      <h3>{props.title}</h3>
      {props.top.map((symbol, n) => {
        const p = props.chance[n] ?? 0;
        const was = props.before?.get(symbol);
        return (
          <div class="row" key={n}>
            <code>{shown(symbol)}</code>
            <svg width="120" height="12" aria-hidden="true">
              <rect class="track" width="120" height="12" rx="2" />
              <rect class="bar" width={120 * p} height="12" rx="2" />
              {was !== undefined && <rect class="was" x={Math.min(118, 120 * was)} width="2" height="12" />}
            </svg>
            <span class="number">{percent(p)}</span>
          </div>
        );
      })}
      {props.before && (
        <p class="hint marked">
          <i /> {props.mark ?? "as it is"}
        </p>
      )}
    </div>
  );
}

export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
export const python = (text: string): string => JSON.stringify(text);
