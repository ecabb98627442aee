/** Logit lens or tuned lens. A tuned lens is fitted at a click, and kept on disk for its checkpoint. */
import { useEffect } from "preact/hooks";
import { EXPORTED } from "./exported";
import type { TunedLens } from "./messages";
import { inWords, Progressing, useCosts } from "./Progressing";
import { json, useAnswer } from "./server";
import { type Streamed, useStream } from "./stream";

export interface Tuned {
  fit: TunedLens | null;
  error: string;
  state: Streamed<TunedLens>;
  start: () => void;
  cancel: () => void;
}

export function useTunedLens(model: number): Tuned {
  const known = useAnswer(EXPORTED ? "" : `lens/tuned?model=${model}`, json<TunedLens | null>);
  const { state, start, cancel } = useStream<TunedLens, TunedLens>((_, fit) => fit);
  useEffect(() => cancel, [model]);
  return { fit: state.value ?? known.value, error: state.error || known.error, state, start: () => start(`lens/tuned?model=${model}`, null), cancel };
}

export function TunedLensChoice(props: { model: number; kind: string; tuned: Tuned; choose: (kind: "logit" | "tuned") => void }) {
  const { fit, state, start, cancel } = props.tuned;
  const costs = useCosts(props.model);
  return (
    <div class="controls">
      <label>
        lens
        <select aria-label="lens" value={props.kind} onChange={(event) => props.choose(event.currentTarget.value === "tuned" ? "tuned" : "logit")}>
          <option value="logit">logit lens</option>
          <option value="tuned">tuned lens</option>
        </select>
      </label>
      {props.kind === "tuned" && (
        <span class="progress-room">
          {state.waiting ? (
            <Progressing progress={state.progress} cancel={cancel} />
          ) : fit ? (
            <span class="hint">
              {fit.steps} steps: KL to the output {fit.logit_kl.toFixed(3)} → {fit.tuned_kl.toFixed(3)} nats on held-out text, mean over layers; it {fit.stopped ? "had stopped falling" : "was still falling (nanoscope run lenses fits longer)"}
            </span>
          ) : (
            <>
              <button class="primary" onClick={start}>
                Fit the tuned lens
              </button>
              <span class="hint">{costs ? `${inWords(costs.tuned_lens)} on this machine; it is kept for this checkpoint, here in runs/mine` : ""}</span>
            </>
          )}
        </span>
      )}
    </div>
  );
}
