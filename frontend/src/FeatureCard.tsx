/** One feature over the corpus: examples from every tenth of its values, what it writes, and what it tells. */
import { useState } from "preact/hooks";
import { signed } from "./diverging";
import type { FeatureConcepts, FeatureFacts, Weighed } from "./messages";
import { json, useAnswer } from "./server";
import { percent, shown } from "./shades";

const list = (of: Weighed[]): string => of.map((one) => `${shown(one.name)} ${signed(one.value)}`).join("  ");

export function FeatureCard({ card, of, waiting }: { card: FeatureFacts; of: string; waiting: boolean }) {
  const [wanted, setWanted] = useState(false);
  const concepts = useAnswer(wanted ? `features/concepts?${of}&feature=${card.name.split("F")[1]}` : "", json<FeatureConcepts>);
  const told = concepts.value?.told;
  return (
    <div class="card" aria-label={`card of ${card.name}`} aria-busy={waiting}>
      <h3>{card.name} over the corpus</h3>
      <dl class="facts">
        <dt>active on</dt>
        <dd>
          <span data-value="density">{(100 * card.density).toFixed(2)} %</span> of the corpus, at most <span data-value="largest">{card.largest.toFixed(2)}</span>
        </dd>
        <dt title="by its direct path, at its largest value">raises, logits</dt>
        <dd data-value="raises">{list(card.raises)}</dd>
        <dt>lowers</dt>
        <dd data-value="lowers">{list(card.lowers)}</dd>
        <dt title="AUROC on text that it was not chosen on; beyond shifted labels">tells, AUROC</dt>
        <dd>
          {!wanted && <button onClick={() => setWanted(true)}>Measure its concepts (some seconds)</button>}
          {wanted && !told && (concepts.error || "measuring …")}
          {told && (told.length ? told.map((one) => `${one.concept} ${one.auroc.toFixed(2)}`).join(", ") : "no concept beyond chance")}
        </dd>
      </dl>
      {card.examples.length === 0 && <p class="fact">It is never active on this text.</p>}
      <div class="examples">
        {card.examples.map((one, n) => (
          <div key={n} class="example feature">
            <span class="hint">{one.tenth === card.examples[n - 1]?.tenth ? "" : `tenth ${one.tenth}`}</span>
            <span class="around">
              <span class="before">{shown(one.before)}</span>
              <mark>{shown(one.here)}</mark>
              <span>{shown(one.after)}</span>
            </span>
            <span class="number">{one.value.toFixed(2)}</span>
            <span class="hint">{one.times > 1 ? `×${one.times}` : ""}</span>
          </div>
        ))}
      </div>
      <p class="hint">tenth 1 holds the strongest tenth of the characters on which it is active ({percent(card.density)} of all), 10 the weakest; ×: how often that text occurs</p>
    </div>
  );
}
