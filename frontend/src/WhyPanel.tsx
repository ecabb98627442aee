/** Why a head looks where it does: its score of one key, shared out among pairs of what is written before. */
import { useRef } from "preact/hooks";
import { Heatmap } from "./Heatmap";
import type { Reason } from "./messages";
import { python, quoted } from "./parts";
import type { Selection } from "./selection";
import { json, useAnswer } from "./server";
import { signed } from "./diverging";
import { percent } from "./shades";

const MOST = 8;
/** Of more writes than these no picture is drawn, only the largest pairs are listed. */
const DRAWN = 60;

export function WhyPanel(props: { at: Selection; head: string; query: number; attended: number; names: string[]; choose: (key: number) => void }) {
  const key = !props.at.own.attended ? props.attended : Math.min(Number.parseInt(props.at.own.attended, 10) || 0, props.query);
  const asked = new URLSearchParams({ model: String(props.at.model), text: props.at.text, head: props.head, query: String(props.query), attended: String(key) });
  const answer = useAnswer(props.query > 0 ? `why?${asked}` : "", json<Reason>);
  const picture = useRef<SVGSVGElement>(null);
  const found = answer.value;
  const pairs = found ? found.parts.flatMap((row, u) => row.map((part, v) => ({ u: found.names[u] ?? "", v: found.names[v] ?? "", part }))) : [];
  const largest = [...pairs].sort((one, other) => Math.abs(other.part) - Math.abs(one.part)).slice(0, MOST);
  const limit = Math.max(1e-9, ...pairs.map((one) => Math.abs(one.part)));
  return (
    <div class="why" aria-label="why" aria-busy={answer.waiting}>
      <div class="controls">
        <h3>Why does {props.head} look there?</h3>
        <label>
          query {props.query}, key
          <select aria-label="key" value={key} onChange={(event) => props.choose(Number(event.currentTarget.value))}>
            {props.names.slice(0, props.query + 1).map((name, n) => (
              <option key={n} value={n}>
                {n} {name}
              </option>
            ))}
          </select>
        </label>
        {props.at.off.length > 0 && <span class="hint">of the model as it is, with nothing off</span>}
      </div>
      {props.query === 0 && <p class="fact">The first position sees only itself; choose a later one.</p>}
      {answer.error !== "" && <p class="error">{answer.error}</p>}
      {found && props.query > 0 && (
        <>
          <p class="fact" data-value="reason">
            {found.sentence}
          </p>
          <div class="columns">
            {found.names.length <= DRAWN && (
              <Heatmap
                grid={{ rows: found.names, columns: found.names, values: found.parts.flat(), unit: "nats" }}
                limit={limit}
                chosen={-1}
                choose={() => undefined}
                label="parts of the score"
                hint="row: written at the query, column: at the key"
                picture={picture}
              />
            )}
            <table class="pairs">
              <thead>
                <tr>
                  <th>at the query</th>
                  <th>at the key</th>
                  <th>nats</th>
                </tr>
              </thead>
              <tbody>
                {largest.map((one) => (
                  <tr key={`${one.u} ${one.v}`}>
                    <td>{one.u}</td>
                    <td>{one.v}</td>
                    <td class="number">{signed(one.part)}</td>
                  </tr>
                ))}
                <tr>
                  <td>all pairs</td>
                  <td>attention {percent(found.attention)}</td>
                  <td class="number" data-value="score">
                    {signed(found.total)}
                  </td>
                </tr>
              </tbody>
            </table>
          </div>
          <details class="same">
            <summary>The same reason from the terminal and the library</summary>
            <pre>{`nanoscope why CKPT ${props.head} --text ${quoted(props.at.text)} --query ${props.query} --key ${key}`}</pre>
            <pre>{`from nanoscope.checkpoints.checkpoint import load\nfrom nanoscope.views import why\nwhy.why(load(CKPT), ${python(props.at.text)}, "${props.head}", ${props.query}, ${key})`}</pre>
          </details>
        </>
      )}
    </div>
  );
}
