/** A circuit that the study stores: its strongest edges as they were measured, and how much of the task the best edges keep. */
import { useRef, useState } from "preact/hooks";
import { CircuitDiagram } from "./CircuitDiagram";
import { CircuitLegend } from "./CircuitLegend";
import { signed } from "./diverging";
import { Panel } from "./parts";
import { json, useAnswer } from "./server";
import { figures, type Index, type StoredCircuit } from "./stored";
import type { Looked } from "./views";

/** The choice between the circuit of two texts, where a model is open, and the stored ones. */
export function WhichCircuit({ at, set, model }: Pick<Looked, "at" | "set" | "model">) {
  const index = useAnswer("stored", json<Index>);
  const stored = index.value?.circuits ?? [];
  if (stored.length === 0) return null;
  return (
    <div class="controls">
      <label>
        circuit of
        <select aria-label="circuit of" value={at.own.stored ?? (model ? "" : "0")} onChange={(event) => set({ own: { ...at.own, stored: event.currentTarget.value } })}>
          {model && <option value="">your two texts</option>}
          {stored.map((name, n) => (
            <option key={n} value={String(n)}>
              {name.replace(/^the /, "")}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

export function StoredCircuitView({ at, set, model }: Looked) {
  const index = useAnswer("stored", json<Index>);
  const count = index.value?.circuits.length ?? 0;
  const number = Math.min(Math.max(0, Number.parseInt(at.own.stored ?? "0", 10) || 0), Math.max(0, count - 1));
  const answer = useAnswer(count > 0 ? `circuits/stored?number=${number}` : "", json<StoredCircuit>);
  const [hovered, setHovered] = useState("");
  const picture = useRef<SVGSVGElement>(null);
  const found = answer.value;
  const folder = JSON.stringify(index.value?.folder ?? "FOLDER");
  return (
    <Panel
      title="Circuit"
      hint="Which edges carry a task, as the study measured it"
      waiting={answer.waiting || index.waiting}
      error={answer.error || index.error || (index.value && count === 0 ? "no circuit is stored in this study; nanoscope run circuits CKPT measures them" : "")}
      command={found ? `nanoscope circuit CKPT --task ${found.task}` : "nanoscope circuit CKPT --task NAME"}
      library={`from nanoscope.evidence.stored_study import read_study\nfrom nanoscope.views import stored_circuits\nstored_circuits.stored_circuit(read_study(${folder}), ${JSON.stringify(found?.label ?? "LABEL")}, ${JSON.stringify(found?.task ?? "TASK")})`}
      exports={
        found
          ? {
              name: `circuit-${found.task}`,
              rows: () => [["edge", "effect", "share"], ...found.diagram.arrows.map((one) => [one.name, one.effect, one.share])],
              data: () => found,
              chart: () => picture.current,
            }
          : undefined
      }
    >
      <WhichCircuit at={at} set={set} model={model} />
      {found && (
        <>
          <p class="fact">
            <b>{found.task}</b>: {found.asks}. <b data-value="edges">{found.edges}</b> of {found.of} edges keep <b data-value="kept">{figures(found.kept)}</b> of it on text on which nothing was chosen; the logit difference is {signed(found.clean)} in clean texts and {signed(found.corrupt)} in corrupt ones, over {found.examples} examples
          </p>
          <div class="columns circuit-columns">
            <div>
              <CircuitDiagram diagram={found.diagram} off={new Set()} hovered={hovered} hover={setHovered} picture={picture} />
              <CircuitLegend diagram={found.diagram} connected={found.connected} hovered={hovered} />
            </div>
            <aside class="wide">
              <Kept found={found} />
              <div class="edges stored" tabIndex={0} role="group" aria-label="edges of the circuit">
                {found.diagram.arrows.map((one) => (
                  <div key={one.name} class={`edge ${hovered === one.name ? "hovered" : ""}`} onMouseEnter={() => setHovered(one.name)}>
                    <code>{one.name}</code>
                    <span class="number">{signed(one.effect)}</span>
                  </div>
                ))}
              </div>
            </aside>
          </div>
        </>
      )}
    </Panel>
  );
}

function Kept({ found }: { found: StoredCircuit }) {
  return (
    <table class="pairs kept">
      <thead>
        <tr>
          <th>best edges</th>
          <th>keep of the task</th>
        </tr>
      </thead>
      <tbody>
        {found.sizes.map((one) => (
          <tr key={one.edges}>
            <td>{one.edges}</td>
            <td class="number">{figures(Math.round(100 * one.share) + 0)} %</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
