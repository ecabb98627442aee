/** Which edges carry the difference between two texts, each measured; switch some off and see what is left of the prediction. */
import { useEffect, useRef, useState } from "preact/hooks";
import { CircuitDiagram } from "./CircuitDiagram";
import { CircuitLegend } from "./CircuitLegend";
import { signed } from "./diverging";
import type { Found, Judged, Pair } from "./messages";
import { PairFields, pairLibrary, usePair } from "./PairFields";
import { Likely, Panel, quoted } from "./parts";
import { inWords, Progressing, useCosts } from "./Progressing";
import { shown } from "./shades";
import { StoredCircuitView, WhichCircuit } from "./StoredCircuitView";
import { usePosted, useStream } from "./stream";
import type { Seen } from "./views";

const METHODS = {
  exact: "every edge measured",
  eap: "estimated (EAP)",
  "eap-ig": "estimated (EAP-IG)",
  relp: "estimated (RelP)",
  gim: "estimated (GIM)",
} as const;

/** The circuit of two texts, or one that the study stores. */
export function CircuitView(seen: Seen) {
  const { at, set } = seen;
  return at.own.stored ? <StoredCircuitView at={at} set={set} theme={seen.theme} model={seen.model} /> : <FoundCircuit {...seen} />;
}

function FoundCircuit({ at, model, set, pieces }: Seen) {
  const costs = useCosts(at.model);
  const length = Math.max(1, pieces.length);
  const pair = usePair(at);
  const own = (some: Record<string, string>): void => set({ own: { ...at.own, ...some } });
  const method = at.own.method && at.own.method in METHODS ? at.own.method : "exact";
  const edges = Number.parseInt(at.own.edges ?? "", 10);
  const within = at.own.within === "model" ? "model" : "circuit";
  const { state, start, cancel } = useStream<Found, Found>((_, found) => found);
  const [of, setOf] = useState("");
  const [hovered, setHovered] = useState("");
  const picture = useRef<SVGSVGElement>(null);
  const question = pair.value && { model: at.model, ...pair.value };
  const asked = question ? JSON.stringify(question) : "";
  const found = state.value && of === asked ? state.value : null;
  const off = new Set((at.own.cut ?? "").split(",").filter((name) => name !== ""));
  const turn = (name: string): void => own({ cut: [...(off.has(name) ? [...off].filter((one) => one !== name) : [...off, name])].join(",") });
  const find = (): void => {
    setOf(asked);
    start("circuit", { ...question, method, ...(edges > 0 ? { edges } : {}) });
  };
  useEffect(() => cancel, [asked]);
  const cut = [...off];
  const judged = usePosted<Judged>(
    "circuit/run",
    found && question ? { ...question, edges: found.edges, within, off_edges: cut.filter((name) => name.includes("->")), off_nodes: cut.filter((name) => !name.includes("->")) } : null,
  );
  const said = pair.value;
  const options = `${method === "exact" ? "" : ` --method ${method}`}${edges > 0 ? ` --edges ${edges}` : ""}`;
  return (
    <Panel
      title="Circuit"
      hint="Which edges carry the difference between two texts; click nodes and edges to switch them off"
      waiting={state.waiting || judged.waiting}
      error={state.error || judged.error}
      command={said ? `nanoscope circuit CKPT ${quoted(said.clean)} ${quoted(said.corrupt)} --answer ${quoted(said.answer)} --wrong ${quoted(said.wrong)}${options}` : "nanoscope circuit CKPT CLEAN CORRUPT"}
      library={said ? library(said, method, edges, cut) : ""}
      exports={
        found
          ? {
              name: "circuit",
              rows: () => [["edge", "effect", "share", "off"], ...found.diagram.arrows.map((one) => [one.name, one.effect, one.share, off.has(one.name)])],
              data: () => ({ ...question, off: cut, found, judged: judged.value }),
              chart: () => picture.current,
            }
          : undefined
      }
    >
      <WhichCircuit at={at} set={set} model={model} />
      <PairFields at={at} set={set} pair={pair} />
      <div class="controls">
        <label>
          edges
          <select aria-label="method" value={method} onChange={(event) => own({ method: event.currentTarget.value })}>
            {Object.entries(METHODS).map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label>
          how many
          <input class="symbol" aria-label="how many edges" size={4} inputMode="numeric" placeholder="auto" value={at.own.edges ?? ""} onInput={(event) => own({ edges: event.currentTarget.value.replace(/\D/g, "") })} />
        </label>
        <span class="progress-room">
          {state.waiting ? (
            <Progressing progress={state.progress} cancel={cancel} />
          ) : (
            <button class="primary" disabled={!question} onClick={find}>
              Find the circuit
            </button>
          )}
        </span>
      </div>
      {!found && !state.waiting && (
        <p class="fact">
          Every edge of the model is taken from the corrupt text alone, and its effect measured{costs?.circuit ? `: ${inWords((costs.circuit * length) / model.context)} on this machine` : ""}. Estimates take a second or two; the edges they choose are measured too.
        </p>
      )}
      {found && (
        <>
          <p class="fact">
            <b data-value="edges">{found.edges.length}</b> of {found.of} edges keep <b data-value="faithfulness">{found.faithfulness.toFixed(3)}</b> of the logit difference between <b>{shown(found.answer)}</b> and <b>{shown(found.wrong)}</b> (clean {signed(found.clean)}, corrupt {signed(found.corrupt)}), found in {found.seconds.toFixed(1)} s
            {found.note !== "" && `; ${found.note}`}
          </p>
          {found.doubt && <p class="doubt">{found.doubt}</p>}
          <div class="columns circuit-columns">
            <div>
              <CircuitDiagram diagram={found.diagram} off={off} turn={turn} hovered={hovered} hover={setHovered} picture={picture} />
              <CircuitLegend diagram={found.diagram} connected={found.connected} hovered={hovered} />
            </div>
            <aside class="wide">
              {judged.value && <Left judged={judged.value} found={found} cut={cut.length} waiting={judged.waiting} />}
              <div class="controls">
                <label>
                  cut from
                  <select aria-label="cut from" value={within} onChange={(event) => own({ within: event.currentTarget.value })}>
                    <option value="circuit">the circuit alone</option>
                    <option value="model">the whole model</option>
                  </select>
                </label>
                <button disabled={off.size === 0} onClick={() => own({ cut: "" })}>
                  All on
                </button>
              </div>
              <Edges found={found} off={off} turn={turn} hovered={hovered} hover={setHovered} />
            </aside>
          </div>
        </>
      )}
    </Panel>
  );
}

function Left({ judged, found, cut, waiting }: { judged: Judged; found: Found; cut: number; waiting: boolean }) {
  const whole = new Map(judged.model.symbols.map((symbol, n) => [symbol, judged.model.chances[n] ?? 0]));
  return (
    <div aria-busy={waiting}>
      <dl class="facts">
        <dt>faithfulness {cut > 0 ? `with ${cut} off` : ""}</dt>
        <dd data-value="left">{judged.faithfulness.toFixed(3)}</dd>
        <dt>edges on</dt>
        <dd>{judged.edges}</dd>
        <dt>without dead ends</dt>
        <dd>{judged.connected}</dd>
        <dt>logit difference</dt>
        <dd>{signed(judged.circuit.logit_difference)}</dd>
        <dt>of the whole model</dt>
        <dd>{signed(judged.model.logit_difference)}</dd>
        <dt>with no edge</dt>
        <dd>{signed(judged.nothing.logit_difference)}</dd>
        <dt>probability of {shown(found.answer)}</dt>
        <dd>{(100 * judged.circuit.answer).toFixed(1)} %</dd>
      </dl>
      <Likely title="expected" top={judged.circuit.symbols} chance={judged.circuit.chances} before={whole} mark="by the whole model" />
    </div>
  );
}

function Edges(props: { found: Found; off: ReadonlySet<string>; turn: (name: string) => void; hovered: string; hover: (name: string) => void }) {
  return (
    <div class="edges" role="group" aria-label="edges of the circuit">
      {props.found.diagram.arrows.map((one) => (
        <label key={one.name} class={props.hovered === one.name ? "hovered" : ""} onMouseEnter={() => props.hover(one.name)}>
          <input type="checkbox" checked={!props.off.has(one.name)} onChange={() => props.turn(one.name)} />
          <code>{one.name}</code>
          <span class="number">{signed(one.effect)}</span>
        </label>
      ))}
    </div>
  );
}

function library(pair: Pair, method: string, edges: number, cut: string[]): string {
  const [of, nodes] = [cut.filter((name) => name.includes("->")), cut.filter((name) => !name.includes("->"))];
  const wanted = `circuit.Wanted("${method}"${edges > 0 ? `, ${edges}` : ""})`;
  const off = cut.length ? `\nleft = circuit_live.Switches(${JSON.stringify(of)}, ${JSON.stringify(nodes)}).of(found.circuit)` : "\nleft = found.circuit";
  return `${pairLibrary(pair)}\nfrom nanoscope.views import circuit, circuit_live\nfound = circuit.find(checkpoint.model, task, task, ${wanted})${off}\nnames = checkpoint.known_vocabulary.names(checkpoint.model.config.vocab_size)\ncircuit_live.judged(checkpoint.model, task, left, names)`;
}
