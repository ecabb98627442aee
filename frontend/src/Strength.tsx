/** A neuron or a feature as a slider, from less over as it is to more: the prediction, the loss and the text that is written. */
import { asItIs, factorOf, isFeature, withFactor } from "./changed";
import { signed } from "./diverging";
import { Likely } from "./parts";
import type { Loadable, Text } from "./server";
import { shown } from "./shades";
import { position, type Viewed } from "./TextView";
import { WrittenTwice } from "./WrittenTwice";

const STRONGEST = 10;
const RAISED = { neuron: 5, feature: 2 } as const;

/** `why`: the reason for which it cannot be raised yet; empty where it can. */
export function Strength({ at, set, name, answer, why = "" }: Pick<Viewed, "at" | "set"> & { name: string; answer: Loadable<Text>; why?: string }) {
  const found = answer.value;
  const feature = isFeature(name);
  const factor = factorOf(at.off, name);
  const turn = (to: number | null): void => set({ off: withFactor(at.off, name, to) });
  const place = found ? position(at, found.pieces.length) : 0;
  const intact = found?.before ?? null;
  const before = intact ? new Map((intact.top[place] ?? []).map((symbol, n) => [symbol, intact.chance[place]?.[n] ?? 0])) : undefined;
  const change = found?.mean_loss != null && intact?.mean_loss != null ? found.mean_loss - intact.mean_loss : null;
  const more = feature ? RAISED.feature : RAISED.neuron;
  return (
    <div aria-busy={answer.waiting}>
      <h3>{name}</h3>
      <div class="controls">
        <button aria-pressed={factor === null || (!feature && factor === 0)} onClick={() => turn(feature ? null : 0)}>
          Silence
        </button>
        <button aria-pressed={factor === asItIs(name)} onClick={() => turn(asItIs(name))}>
          As it is
        </button>
        <button aria-pressed={factor === more} disabled={why !== ""} onClick={() => turn(more)}>
          Raise {feature ? `+${more}×` : `×${more}`}
        </button>
      </div>
      <label class="slider">
        <span class="hint">{feature ? "added" : "factor"}</span>
        <input type="range" aria-label={feature ? "added" : "factor"} disabled={why !== ""} min={-STRONGEST} max={STRONGEST} step="0.5" value={factor ?? 0} onInput={(event) => turn(Number(event.currentTarget.value))} />
        <span class="number" data-value="factor">
          {feature ? (factor === null ? "silent" : `${signed(factor, 1)}×`) : `×${factor ?? 0}`}
        </span>
      </label>
      {feature && <p class="hint">{why || "times its largest value over the corpus, at every position"}</p>}
      {found && (
        <>
          <Likely title={`after ${shown(found.pieces[place] ?? "")} (position ${place})`} top={found.top[place] ?? []} chance={found.chance[place] ?? []} before={before} mark="with nothing changed" />
          <p class="fact">
            {change === null ? "silence or raise it to see what changes" : <>loss per token changes by <b data-value="loss-change">{signed(change, 3)} nats</b></>}
          </p>
        </>
      )}
      <WrittenTwice at={at} />
    </div>
  );
}
