/** What changes during training: a slider over the checkpoints that plays; curves with bands, events, every head, the lens. */
import { useEffect, useRef, useState } from "preact/hooks";
import { CurvePanel, PANELS } from "./Curves";
import { EveryHeadGrid } from "./EveryHead";
import { Events } from "./Events";
import { EarlierLens } from "./EarlierLens";
import { Panel } from "./parts";
import { json, useAnswer } from "./server";
import type { Index, TrainingHistory } from "./stored";
import type { Looked } from "./views";

const PACE = 350;

/** A number that counts up to the last while it plays. */
function usePlaying(at: number, last: number, go: (n: number) => void): [boolean, () => void] {
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return undefined;
    if (at >= last) {
      setPlaying(false);
      return undefined;
    }
    const later = setTimeout(() => go(at + 1), PACE);
    return () => clearTimeout(later);
  }, [playing, at, last]);
  const turn = (): void => {
    if (!playing && at >= last) go(0);
    setPlaying(!playing);
  };
  return [playing, turn];
}

export function TrainingView({ at, set, model, theme }: Looked) {
  const index = useAnswer("stored", json<Index>);
  const recipes = index.value?.trainings ?? [];
  const number = Math.min(Number(at.own.recipe) || 0, Math.max(0, recipes.length - 1));
  const answer = useAnswer(recipes.length ? `training?number=${number}` : "", json<TrainingHistory>);
  const kept = useAnswer(model ? `steps?model=${at.model}` : "", json<number[]>);
  const found = answer.value;
  const steps = found?.steps ?? kept.value ?? [];
  const last = Math.max(0, steps.length - 1);
  const here = at.own.step === undefined ? last : Math.max(0, steps.findIndex((step) => step >= Number(at.own.step)));
  const keep = (own: Record<string, string>): void => set({ own: { ...at.own, ...own } });
  const go = (n: number): void => keep({ step: String(steps[n] ?? 0) });
  const [playing, turn] = usePlaying(here, last, go);
  const chart = useRef<SVGSVGElement>(null);
  const none = recipes.length === 0 && !index.waiting && steps.length === 0;
  return (
    <Panel
      title="Training"
      hint="When what appears: the mean over trainings with its 95 % interval, each training thin"
      waiting={answer.waiting && recipes.length > 0}
      error={answer.error || (none ? index.error || "no training of this study was followed, and no checkpoints lie beside the model" : "")}
      command="nanoscope run emergence CKPT"
      library={`from nanoscope.evidence.stored_study import read_study\nfrom nanoscope.views import stored_training\nstored_training.history(read_study(${JSON.stringify(index.value?.folder ?? "FOLDER")}), ${JSON.stringify(found?.label ?? "RECIPE")})`}
      exports={found ? { name: "training", rows: () => rows(found), data: () => found, chart: () => chart.current } : undefined}
    >
      {steps.length > 0 && (
        <div class="controls player">
          <button class="primary" onClick={turn}>
            {playing ? "Pause" : "Play"}
          </button>
          <input type="range" aria-label="step" min="0" max={last} value={here} aria-valuetext={`step ${steps[here]}`} onInput={(event) => go(Number(event.currentTarget.value))} />
          <b class="number" data-value="step">
            step {steps[here]}
          </b>
          {recipes.length > 0 && (
            <select aria-label="recipe" value={number} onChange={(event) => keep({ recipe: event.currentTarget.value, step: "" })}>
              {recipes.map((name, n) => (
                <option key={name} value={n}>
                  {name.replace(/^the /, "")}
                </option>
              ))}
            </select>
          )}
          {found && <span class="hint">{found.trainings.length === 1 ? "one training: no band" : `${found.trainings.length} trainings`}</span>}
        </div>
      )}
      {found && (
        <>
          <svg ref={chart} class="chart curves" viewBox={`0 0 ${2 * PANELS.width} ${2 * PANELS.height}`} role="img" aria-label="curves over training" data-theme={theme}>
            {[...new Set(found.curves.map((one) => one.panel))].sort(byPanel).map((name, n) => (
              <CurvePanel key={name} x={(n % 2) * PANELS.width} y={Math.floor(n / 2) * PANELS.height} steps={steps} here={here} curves={found.curves.filter((one) => one.panel === name)} go={go} />
            ))}
          </svg>
          <div class="columns training">
            {found.every_head && <EveryHeadGrid found={found.every_head} here={here} step={steps[here] ?? 0} choose={(layer, head) => set({ layer, head })} at={at} theme={theme} />}
            <Events found={found} step={steps[here] ?? 0} />
          </div>
        </>
      )}
      {model && kept.value && kept.value.length > 0 && <EarlierLens at={at} model={model} step={nearest(kept.value, steps[here] ?? 0)} theme={theme} />}
    </Panel>
  );
}

const ORDER = ["loss", "heads", "copying and context"];
const byPanel = (one: string, other: string): number => (ORDER.indexOf(one) + 9) % 9 - ((ORDER.indexOf(other) + 9) % 9);

/** The last kept checkpoint that is not after a step. */
const nearest = (kept: number[], step: number): number => kept.filter((one) => one <= step).at(-1) ?? kept[0] ?? 0;

function rows(found: TrainingHistory): unknown[][] {
  const head = ["curve", "unit", "step", "mean", "low", "high", ...found.trainings];
  return [head, ...found.curves.flatMap((one) => found.steps.map((step, n) => [one.name, one.unit, step, one.mean[n], one.low?.[n], one.high?.[n], ...one.trainings.map((values) => values[n])]))];
}
