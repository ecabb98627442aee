/** All heads of one model: a cloud on two chosen measures, a table, and a card of the chosen head. */
import type { RefObject } from "preact";
import { useRef, useState } from "preact/hooks";
import { Cloud, flat, LayerLegend } from "./Cloud";
import { EXPORTED } from "./exported";
import { Measuring } from "./Measuring";
import { Panel } from "./parts";
import { json, useAnswer } from "./server";
import { figures, type HeadTable, type Index, type Measure, type OpenedHeads } from "./stored";
import type { Looked } from "./views";

const OPENED = "opened";

export function HeadsView({ at, set, model, theme }: Looked) {
  const [again, setAgain] = useState(0);
  const index = useAnswer("stored", json<Index>);
  const opened = useAnswer(model ? `heads/opened?model=${at.model}&again=${again}` : "", json<OpenedHeads>);
  const names = index.value?.heads ?? [];
  const known = opened.value?.stored ?? -1;
  const asked = at.own.of ?? (model ? OPENED : "0");
  const number = asked === OPENED ? (opened.value && !opened.value.table ? known : -1) : Number(asked) || 0;
  const stored = useAnswer(number >= 0 && names.length > 0 ? `heads/stored?number=${number}` : "", json<HeadTable>);
  const table = asked === OPENED && number < 0 ? (opened.value?.table ?? null) : number >= 0 ? stored.value : null;
  const isOpened = asked === OPENED || number === known;
  const keep = (own: Record<string, string>): void => set({ own: { ...at.own, ...own } });
  const chart = useRef<SVGSVGElement>(null);
  const lacking = table !== null && !table.measures.some((one) => one.causal);
  return (
    <Panel
      title="Heads"
      hint="Every head on two measures: the colour is its layer, the size its causal effect"
      waiting={stored.waiting || opened.waiting}
      error={opened.error || stored.error || (model ? "" : index.error)}
      command="nanoscope heads CKPT"
      library={'from nanoscope.evidence.stored_study import read_study\nfrom nanoscope.views import stored_heads\n' + `stored_heads.head_table(read_study(${JSON.stringify(index.value?.folder ?? "FOLDER")}), ${JSON.stringify(table?.label ?? "LABEL")})`}
      exports={table ? { name: "heads", rows: () => rows(table), data: () => table, chart: () => chart.current } : undefined}
    >
      <div class="controls">
        <label>
          heads of
          <select aria-label="heads of" value={asked} onChange={(event) => keep({ of: event.currentTarget.value })}>
            {model && <option value={OPENED}>{model.name}, opened</option>}
            {names.map((name, n) => (
              <option key={name} value={String(n)}>
                {name.replace(/^the /, "")}
              </option>
            ))}
          </select>
        </label>
        {table && <Chosen table={table} at={at.own} keep={keep} />}
      </div>
      {isOpened && model && !EXPORTED && opened.value && (!table || lacking) && (
        <Measuring model={at.model} seconds={opened.value.seconds} lacking={lacking} done={() => setAgain(again + 1)} />
      )}
      {table && <Table table={table} at={at} set={set} theme={theme} chart={chart} linked={isOpened && model !== null} />}
    </Panel>
  );
}

const first = (table: HeadTable, name: string | undefined, instead: (one: Measure) => boolean): Measure =>
  table.measures.find((one) => one.name === name) ?? table.measures.find(instead) ?? (table.measures[0] as Measure);

/** The two axes: at first the previous-token score, and the causal effect or the entropy. */
const axes = (table: HeadTable, own: Record<string, string>): [Measure, Measure] => [
  first(table, own.x, (one) => one.name === "previous token"),
  first(table, own.y, (one) => one.causal || (one.name === "entropy" && !table.measures.some((other) => other.causal))),
];

function Chosen({ table, at, keep }: { table: HeadTable; at: Record<string, string>; keep: (own: Record<string, string>) => void }) {
  const [x, y] = axes(table, at);
  return (
    <>
      {([["x", x], ["y", y]] as const).map(([axis, one]) => (
        <label key={axis}>
          {axis === "x" ? "across" : "up"}
          <select aria-label={axis === "x" ? "across" : "up"} value={one.name} title={one.about} onChange={(event) => keep({ [axis]: event.currentTarget.value })}>
            {table.measures.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      ))}
      {table.trainings > 1 && (
        <label title="Head numbers mean nothing across trainings: a bar spans the heads of the same rank in all trainings">
          <input type="checkbox" checked={at.spread !== "no"} onChange={(event) => keep({ spread: event.currentTarget.checked ? "" : "no" })} />
          spread over {table.trainings} trainings, by rank
        </label>
      )}
    </>
  );
}

function Table(props: Pick<Looked, "at" | "set" | "theme"> & { table: HeadTable; chart: RefObject<SVGSVGElement | null>; linked: boolean }) {
  const { table, at, set } = props;
  const [x, y] = axes(table, at.own);
  const effect = table.measures.find((one) => one.causal);
  const heads = x.values[0]?.length ?? 1;
  const chosen = Math.min(at.layer, x.values.length - 1) * heads + Math.min(at.head, heads - 1);
  const choose = (n: number): void => set({ layer: Math.floor(n / heads), head: n % heads });
  const shown = [...new Set([x, y, ...(effect ? [effect] : [])])];
  const sorted = table.names.map((_, n) => n).sort((one, other) => (flat(y.values)[other] ?? 0) - (flat(y.values)[one] ?? 0));
  return (
    <div class="heads-view">
      <div class="cloud-side">
        <Cloud table={table} x={x} y={y} effect={effect} chosen={chosen} spread={at.own.spread !== "no"} theme={props.theme} choose={choose} chart={props.chart} />
        <LayerLegend layers={x.values.length} />
        <p class="hint">{effect ? `size: ${effect.name} (${effect.unit}): ${effect.about}` : "size: no causal effect is stored of these heads"}</p>
      </div>
      <HeadCard table={table} head={chosen} link={props.linked ? () => set({ view: "attention" }) : undefined} />
      <div class="table" tabIndex={0} aria-label="table of heads">
        <table>
          <thead>
            <tr>
              <th>head</th>
              <th>class</th>
              {shown.map((one) => (
                <th key={one.name}>{one.name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.map((n) => (
              <tr key={n} class={n === chosen ? "chosen" : ""}>
                <td>
                  <button aria-pressed={n === chosen} onClick={() => choose(n)}>
                    {table.names[n]}
                  </button>
                </td>
                <td class="words">{table.classes[n] || "–"}</td>
                {shown.map((one) => (
                  <td key={one.name} data-measure={one.name}>
                    {figures(flat(one.values)[n])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

const MOST = 8;

function HeadCard({ table, head, link }: { table: HeadTable; head: number; link: (() => void) | undefined }) {
  const value = (one: Measure): number => Math.abs(flat(one.values)[head] ?? 0);
  const attends = table.measures.filter((one) => !one.causal && one.unit.startsWith("share above"));
  const strongest = [...attends].sort((one, other) => value(other) - value(one)).slice(0, MOST - 4);
  const shown = [...table.measures.filter((one) => one.causal), ...strongest, ...table.measures.filter((one) => !one.causal && !attends.includes(one))];
  return (
    <aside class="head-card" aria-live="polite" aria-label="head">
      <div class="controls">
        <h3>{table.names[head]}</h3>
        <span>{table.classes[head] || "no class"}</span>
        {link && <button onClick={link}>Its attention</button>}
      </div>
      <table>
        <thead>
          <tr>
            <th>measure</th>
            <th>value</th>
            <th>unit</th>
            {table.trainings > 1 && <th title="The least and the greatest value of the heads of the same rank">same rank, {table.trainings} trainings</th>}
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={one.name} title={one.about}>
              <td>{one.name}</td>
              <td>
                <b>{figures(flat(one.values)[head])}</b>
                {one.low && ` [${figures(flat(one.low)[head])}, ${figures(flat(one.high)[head])}]`}
              </td>
              <td class="hint">{one.unit}</td>
              {table.trainings > 1 && <td class="hint">{one.rank_low && `${figures(flat(one.rank_low)[head])} to ${figures(flat(one.rank_high)[head])}`}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {table.writes[head] && <p class="fact">By its weights, {table.writes[head]}.</p>}
    </aside>
  );
}

function rows(table: HeadTable): unknown[][] {
  const columns = table.measures.map((one) => flat(one.values));
  return [["head", "class", ...table.measures.map((one) => `${one.name} (${one.unit})`)], ...table.names.map((name, n) => [name, table.classes[n], ...columns.map((values) => values[n])])];
}
