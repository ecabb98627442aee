/** Which activations carry the difference between two texts: every cell patched exactly, shown as it comes. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Heatmap } from "./Heatmap";
import type { CellChange, Pair, Swept } from "./messages";
import { PairFields, pairLibrary, usePair } from "./PairFields";
import { Likely, Panel, quoted } from "./parts";
import { Progressing } from "./Progressing";
import { usePosted, useStream } from "./stream";
import { signed } from "./diverging";
import { shown } from "./shades";
import type { Viewed } from "./TextView";

const SWEEPS = {
  residual: "residual stream",
  heads: "heads (z)",
  "heads-by-position": "heads by position",
  queries: "queries",
  keys: "keys",
  values: "values",
  attention: "attention outputs",
  mlps: "MLP outputs",
  neurons: "neurons of a layer",
  pattern: "a head's pattern",
} as const;
type SweepName = keyof typeof SWEEPS;
const ONE_LAYER: readonly SweepName[] = ["neurons", "pattern"];
const ROW = 32;

interface Cells {
  shape: Swept;
  changes: (number | null)[];
}

function joined(before: Cells | null, part: Swept): Cells {
  const count = part.axes.reduce((size, axis) => size * axis.labels.length, 1);
  const changes = before?.changes.slice() ?? Array.from({ length: count }, () => null);
  part.changes.forEach((one, n) => (changes[part.first + n] = one));
  return { shape: part, changes };
}

/** The last axis as columns, the others as rows; a single long axis is folded. */
function table({ shape, changes }: Cells) {
  const names = shape.axes.map((axis) => axis.name);
  const columns = shape.axes.at(-1)?.labels ?? [];
  if (shape.axes.length === 1) {
    const width = Math.min(ROW, columns.length);
    const rows = Array.from({ length: Math.ceil(columns.length / width) }, (_, n) => `${names[0]} ${n * width}`);
    return { rows, columns: Array.from({ length: width }, (_, n) => `+${n}`), values: changes, unit: "logits" };
  }
  const row = (labels: string[]): string =>
    names[0] === "layer" ? `${/^\d/.test(labels[0] ?? "") ? "L" : ""}${labels[0]}${names[1] === "head" && labels.length > 1 ? `H${labels[1]}` : ""}` : labels.join(" ");
  const rows = shape.axes.slice(0, -1).reduce<string[][]>((so_far, axis) => so_far.flatMap((one) => axis.labels.map((label) => [...one, label])), [[]]);
  const last = names.at(-1) === "head" ? columns.map((label) => `H${label}`) : columns;
  return { rows: rows.map(row), columns: last, values: changes, unit: "logits" };
}

export function PatchingView({ at, model, set }: Viewed) {
  const pair = usePair(at);
  const sweep = (at.own.sweep ?? "residual") as SweepName;
  const direction = at.own.direction === "noise" ? "noise" : "denoise";
  const own = (some: Record<string, string>): void => set({ own: { ...at.own, ...some } });
  const part = ONE_LAYER.includes(sweep) ? { layer: Math.min(at.layer, model.layers - 1), ...(sweep === "pattern" ? { head: Math.min(at.head, model.heads - 1) } : {}) } : {};
  const body = pair.value && { model: at.model, ...pair.value, sweep, direction, ...part };
  const asked = body ? JSON.stringify(body) : "";
  const { state, start, cancel } = useStream<Swept, Cells>(joined);
  const [chosen, setChosen] = useState(-1);
  const picture = useRef<SVGSVGElement>(null);
  useEffect(() => {
    setChosen(-1);
    if (body) start("patch", body);
    return cancel;
  }, [asked]);
  const detail = usePosted<CellChange>("patch/cell", body && chosen >= 0 ? { ...body, cell: chosen } : null);
  const cells = state.value;
  const shape = cells?.shape;
  const grid = cells && table(cells);
  const limit = Math.max(1e-9, ...(cells?.changes ?? []).map((one) => Math.abs(one ?? 0)));
  const options = Object.entries(part).map(([name, value]) => ` --${name} ${value}`).join("");
  const said = pair.value;
  const labels = (n: number): string[] => grid ? [grid.rows[Math.floor(n / grid.columns.length)] ?? "", grid.columns[n % grid.columns.length] ?? ""] : [];
  return (
    <Panel
      title="Patching"
      hint="Which activations carry the difference between two texts"
      waiting={state.waiting || pair.waiting}
      error={state.error}
      command={said ? `nanoscope patch CKPT ${quoted(said.clean)} ${quoted(said.corrupt)} --answer ${quoted(said.answer)} --wrong ${quoted(said.wrong)} --sweep ${sweep}${options}` : "nanoscope patch CKPT CLEAN CORRUPT"}
      library={said ? library(said, sweep, direction, part) : ""}
      exports={
        cells && grid
          ? {
              name: `patching-${sweep}-${direction}`,
              rows: () => [["row", "column", "logits"], ...cells.changes.map((one, n) => [...labels(n), one])],
              data: () => ({ ...body, axes: shape?.axes, changes: cells.changes, clean: shape?.clean, corrupt: shape?.corrupt }),
              chart: () => picture.current,
            }
          : undefined
      }
    >
      <PairFields at={at} set={set} pair={pair} />
      <div class="controls">
        <label>
          patch
          <select aria-label="sweep" value={sweep} onChange={(event) => own({ sweep: event.currentTarget.value })}>
            {Object.entries(SWEEPS).map(([name, words]) => (
              <option key={name} value={name} disabled={!model.mlp && (name === "mlps" || name === "neurons")}>
                {words}
              </option>
            ))}
          </select>
        </label>
        {(["layer", "head"] as const).filter((name) => name in part).map((name) => (
          <label key={name}>
            {name}
            <select aria-label={`${name} of the sweep`} value={at[name]} onChange={(event) => set({ [name]: Number(event.currentTarget.value) })}>
              {Array.from({ length: name === "layer" ? model.layers : model.heads }, (_, n) => (
                <option key={n} value={n}>
                  {n}
                </option>
              ))}
            </select>
          </label>
        ))}
        <label>
          direction
          <select aria-label="direction" value={direction} onChange={(event) => own({ direction: event.currentTarget.value })}>
            <option value="denoise">denoise: clean into corrupt</option>
            <option value="noise">noise: corrupt into clean</option>
          </select>
        </label>
        <span class="progress-room">
          {state.waiting ? <Progressing progress={state.progress} cancel={cancel} /> : body && cells?.changes.includes(null) !== false && <button onClick={() => start("patch", body)}>Patch</button>}
        </span>
      </div>
      {shape && (
        <p class="fact">
          logit of <b>{shown(shape.answer)}</b> minus logit of <b>{shown(shape.wrong)}</b>: clean <b data-value="clean">{signed(shape.clean)}</b>, corrupt <b data-value="corrupt">{signed(shape.corrupt)}</b>
          {shape.note !== "" && `; ${shape.note}`}
        </p>
      )}
      {shape?.doubt && <p class="doubt">{shape.doubt}</p>}
      {grid && (
        <div class="columns">
          <Heatmap grid={{ ...grid, unit: direction === "denoise" ? "logits restored" : "logits destroyed" }} limit={limit} chosen={chosen} choose={setChosen} label="patching" hint="point at a cell; click it to see what changes" picture={picture} />
          <aside class="wide">
            {chosen < 0 && <p class="fact">A cell is one activation taken from the other text. Click one to see what it does to the prediction.</p>}
            {detail.error !== "" && <p class="error">{detail.error}</p>}
            {chosen >= 0 && detail.value && shape && <Change change={detail.value} shape={shape} direction={direction} where={labels(chosen).join(", ")} waiting={detail.waiting} />}
          </aside>
        </div>
      )}
    </Panel>
  );
}

function Change(props: { change: CellChange; shape: Swept; direction: string; where: string; waiting: boolean }) {
  const { before, after, source } = props.change;
  const map = new Map(before.symbols.map((symbol, n) => [symbol, before.chances[n] ?? 0]));
  const base = props.direction === "denoise" ? "corrupt" : "clean";
  const moved = (after.logit_difference - before.logit_difference) / (source.logit_difference - before.logit_difference);
  return (
    <div aria-busy={props.waiting} data-value="change-of-cell">
      <Likely title={`${base} text with ${props.where} patched`} top={after.symbols} chance={after.chances} before={map} mark="before the patch" />
      <p class="fact">
        logit difference <b>{signed(before.logit_difference)}</b> → <b data-value="after">{signed(after.logit_difference)}</b>
        {props.shape.doubt === null && Number.isFinite(moved) && (
          <>
            , <b>{signed(100 * moved, 0)} %</b> of the way to the other text
          </>
        )}
      </p>
      <Likely title={`${base} text as it is`} top={before.symbols} chance={before.chances} />
    </div>
  );
}

function library(pair: Pair, sweep: string, direction: string, part: Record<string, number>): string {
  const at = Object.entries(part).map(([name, value]) => `, ${name}=${value}`).join("");
  return `${pairLibrary(pair)}\nfrom nanoscope.views import patch, patch_live\ncells = patch.grid(checkpoint.model, task, "${sweep}"${at})\nparts = patch_live.in_parts(checkpoint.model, task, cells, "${direction}")`;
}
