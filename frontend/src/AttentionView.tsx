/** All heads as small pictures; the chosen one large; hover a character to see where it looks. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Characters, library, position, type Viewed } from "./TextView";
import { cellsSvg } from "./cells";
import { EXPORTED } from "./exported";
import { Legend, Panel, quoted } from "./parts";
import { asked } from "./selection";
import { type Patterns, patterns, useAnswer } from "./server";
import { WhyPanel } from "./WhyPanel";
import { ink, percent, shade, shown } from "./shades";

interface One {
  size: number;
  /** `[query, key]`, in steps of `step`. */
  values: Uint8Array | Float32Array;
  step: number;
}

/** One head of all, which come as bytes. */
function of(found: Patterns, layer: number, head: number): One {
  const [, heads = 1, size = 1] = found.shape;
  const begin = (layer * heads + head) * size * size;
  return { size, values: found.values.subarray(begin, begin + size * size), step: 1 / 255 };
}

/** One head alone, which comes in half precision. */
async function halves(answer: Response): Promise<One> {
  const size = Number((answer.headers.get("X-Shape") ?? "").split(",")[0]);
  const bits = new DataView(await answer.arrayBuffer());
  return { size, values: Float32Array.from({ length: size * size }, (_, n) => half(bits.getUint16(2 * n, true))), step: 1 };
}

/** A positive number of 16 bits: five of exponent, ten of fraction. */
function half(bits: number): number {
  const [exponent, fraction] = [bits >> 10, (bits & 1023) / 1024];
  return exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
}

function Picture(props: One & { class: string; row?: number; theme: string; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const colours = Array.from({ length: 256 }, (_, n) => ink(n / 255));
    const pixels = context.createImageData(props.size, props.size);
    props.values.forEach((value: number, n: number) => pixels.data.set([...(colours[Math.round(value * props.step * 255)] ?? [0, 0, 0]), 255], 4 * n));
    context.putImageData(pixels, 0, 0);
  }, [props.values, props.theme]);
  return <canvas ref={canvas} width={props.size} height={props.size} class={props.class} role="img" aria-label={props.label} />;
}

const CELL = 8;

export function AttentionView({ at, model, set, pieces, theme }: Viewed & { pieces: string[]; theme: string }) {
  const answer = useAnswer(`attention?${asked(at)}&weighted=${at.weighted}`, patterns);
  const [hovered, setHovered] = useState(-1);
  const found = answer.value;
  const lead = found ? Math.max(0, (found.shape[2] ?? 0) - pieces.length) : 0;
  const read = [...Array.from({ length: lead }, () => "·"), ...pieces];
  const layer = Math.min(at.layer, model.layers - 1);
  const head = Math.min(at.head, model.heads - 1);
  const exact = useAnswer(EXPORTED ? "" : `attention?${asked(at)}&weighted=${at.weighted}&layer=${layer}&head=${head}`, halves).value;
  const large = found && (exact && exact.size === found.shape[2] && !answer.waiting ? exact : of(found, layer, head));
  const query = (hovered >= 0 && hovered < pieces.length ? hovered : position(at, pieces.length)) + lead;
  const between = (row: number, key: number): number => (large ? (large.values[row * large.size + key] ?? 0) * large.step : 0);
  const weight = (key: number): number => between(query, key);
  const name = `L${layer}H${head}`;
  const attended = (from: number): number[] => Array.from({ length: from + 1 }, (_, key) => key).sort((one, other) => between(from, other) - between(from, one));
  const fixed = position(at, pieces.length) + lead;
  const point = (event: MouseEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const cell = (offset: number, length: number): number => Math.min(Math.max(Math.floor((offset / length) * (large?.size ?? 1)), 0), (large?.size ?? 1) - 1);
    const [row, key] = [cell(event.clientY - box.top, box.height), cell(event.clientX - box.left, box.width)];
    set({ position: Math.max(0, row - lead), own: { ...at.own, attended: String(Math.min(key, row)) } });
  };
  const drawing = (): string =>
    large ? cellsSvg(Array.from(large.values, (v, n) => ({ column: n % large.size, row: Math.floor(n / large.size), fill: shade(v * large.step) })), CELL, CELL) : "";
  const rows = (): unknown[][] =>
    large ? [["query", "key", "attention"], ...Array.from(large.values, (v, n) => [Math.floor(n / large.size), n % large.size, v * large.step])] : [];
  return (
    <Panel
      title="Attention"
      hint={at.weighted ? "Attention times the length of what is read there" : "Where each head looks: a row is a query, a column a key"}
      waiting={answer.waiting}
      error={answer.error}
      command={`nanoscope heads CKPT --text ${quoted(at.text)}`}
      library={library(at, `live.patterns(checkpoint, textEDITS${at.weighted ? ", weighted=True" : ""})[${layer}, ${head}]`)}
      exports={large ? { name: `attention-${name}`, rows, data: () => ({ head: name, pieces: read, rows: rows().slice(1) }), drawing } : undefined}
    >
      {found && large && (
        <div class="columns attention">
          <div class="heads" role="grid" aria-label="heads">
            {Array.from({ length: model.layers }, (_, l) => (
              <div class="layer" role="row" key={l}>
                <span class="number">L{l}</span>
                {Array.from({ length: model.heads }, (_, h) => (
                  <button
                    key={h}
                    role="gridcell"
                    class={l === layer && h === head ? "chosen" : ""}
                    aria-label={`layer ${l} head ${h}`}
                    aria-selected={l === layer && h === head}
                    onClick={() => set({ layer: l, head: h })}
                  >
                    <Picture {...of(found, l, h)} class="small" theme={theme} label={`L${l}H${h}`} />
                    <span>H{h}</span>
                  </button>
                ))}
              </div>
            ))}
          </div>
          <div class="one">
            <div class="controls">
              <h3>{name}</h3>
              <label hidden={EXPORTED !== null}>
                <input type="checkbox" checked={at.weighted} onChange={(event) => set({ weighted: event.currentTarget.checked })} />
                weighted by values
              </label>
            </div>
            <div class="frame" title="click: why does the head look there?" onClick={point}>
              <Picture {...large} class="large" theme={theme} label={`attention of ${name}`} />
              <svg class="mark" viewBox={`0 0 ${large.size} ${large.size}`} aria-hidden="true">
                <rect x="0" y={query} width={large.size} height="1" />
              </svg>
            </div>
            <Legend words="attention" low="0" high="1" />
          </div>
          <div class="looks">
            <p class="fact">
              <b>{shown(read[query] ?? "")}</b> (position {query - lead}) looks most at{" "}
              {attended(query)
                .slice(0, 3)
                .map((key) => `${shown(read[key] ?? "")} at ${key - lead} (${percent(weight(key))})`)
                .join(", ")}
            </p>
            <Characters pieces={pieces} chosen={query - lead} share={(n) => weight(n + lead)} title={(n) => percent(weight(n + lead))} choose={(n) => set({ position: n, own: { ...at.own, attended: "" } })} hover={setHovered} />
            {!EXPORTED && <WhyPanel at={at} head={name} query={fixed} attended={attended(fixed)[0] ?? 0} names={read.map(shown)} choose={(key) => set({ own: { ...at.own, attended: String(key) } })} />}
          </div>
        </div>
      )}
    </Panel>
  );
}
