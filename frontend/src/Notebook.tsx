/** One view alone, for a cell of a notebook: its data is in the page, and nothing is asked of anybody. */
import { useRef, useState } from "preact/hooks";
import { AttentionView } from "./AttentionView";
import { type Grid, Heatmap } from "./Heatmap";
import { LensView } from "./LensView";
import { Panel } from "./parts";
import { fromAddress, type Selection } from "./selection";
import { json, type Model, type Text, useAnswer } from "./server";

const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";

export function Notebook({ view, text }: { view: string; text: string }) {
  document.documentElement.dataset.theme = theme;
  return <main class="notebook">{view === "heatmap" ? <Sweep /> : <Reading view={view} text={text} />}</main>;
}

function Reading({ view, text }: { view: string; text: string }) {
  const [at, setAt] = useState<Selection>(() => ({ ...fromAddress(""), view, text }));
  const set = (some: Partial<Selection>): void => setAt((last) => ({ ...last, ...some }));
  const model = useAnswer("model", json<Model>).value;
  const pieces = useAnswer("text", json<Text>).value?.pieces;
  if (!model || !pieces) return null;
  return view === "lens" ? <LensView at={at} model={model} set={set} /> : <AttentionView at={at} model={model} set={set} pieces={pieces} theme={theme} />;
}

function Sweep() {
  const found = useAnswer("heatmap", json<Grid & { limit: number }>).value;
  const [chosen, setChosen] = useState(-1);
  const picture = useRef<SVGSVGElement>(null);
  if (!found) return null;
  const rows = (): unknown[][] => [["row", "column", found.unit], ...found.values.map((value, n) => [found.rows[Math.floor(n / found.columns.length)], found.columns[n % found.columns.length], value])];
  return (
    <Panel title="Sweep" hint={found.unit} waiting={false} error="" command="" library="ns.show(sweep)" exports={{ name: "sweep", rows, data: () => found, chart: () => picture.current }}>
      <Heatmap grid={found} limit={found.limit} chosen={chosen} choose={setChosen} label="sweep" hint="point at a cell" picture={picture} />
    </Panel>
  );
}
