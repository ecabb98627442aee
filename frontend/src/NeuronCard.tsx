/** One neuron over the corpus: examples from the strongest over every decile to the weakest, and what it writes. */
import type { Card, Concepts, Example, Weighed } from "./messages";
import { json, useAnswer } from "./server";
import { signed } from "./diverging";
import { onShade, shade, shown } from "./shades";

const FIRST = 3;

/** A few of the strongest, then one of every decile, then the weakest. */
function kept(examples: Example[]): Example[] {
  const rank = (kind: string): number => Number.parseInt(kind.split(" ")[1] ?? "0", 10);
  return examples.filter((one) => !one.kind.startsWith("top") || rank(one.kind) <= FIRST);
}

const said = (kind: string): string => (kind.startsWith("decile") ? `${Math.round(100 * Number(kind.split(" ")[1]))} %` : kind);

export function NeuronCard({ card, model, waiting }: { card: Card; model: number; waiting: boolean }) {
  const concepts = useAnswer(`neurons/concepts?model=${model}&neuron=${card.name}`, json<Concepts>);
  const largest = card.statistics.find((one) => one.name === "max")?.value ?? 1;
  const list = (of: Weighed[], words: (value: number) => string) => of.map((one) => `${shown(one.name)} ${words(one.value)}`).join("  ");
  return (
    <div class="card" aria-label={`card of ${card.name}`} aria-busy={waiting}>
      <h3>{card.name} over the corpus</h3>
      <dl class="facts">
        <dt>raises, logits per unit</dt>
        <dd>{list(card.raises, (value) => signed(value))}</dd>
        <dt>lowers</dt>
        <dd>{list(card.lowers, (value) => signed(value))}</dd>
        <dt>on for, AUROC</dt>
        <dd>{concepts.value ? list(concepts.value.on, (value) => value.toFixed(2)) : concepts.error || "measuring …"}</dd>
        <dt>silent on</dt>
        <dd>{concepts.value ? list(concepts.value.silent, (value) => value.toFixed(2)) : ""}</dd>
        <dt>activations</dt>
        <dd>
          {["mean", "sd", "max", "positive"].map((name) => `${name === "positive" ? "above 0" : name} ${(card.statistics.find((one) => one.name === name)?.value ?? 0).toFixed(2)}`).join(", ")}
        </dd>
      </dl>
      <Histogram counts={card.counts} edges={card.edges} />
      <div class="examples">
        {kept(card.examples).map((one) => (
          <div key={one.kind} class="example">
            <span class="hint">{said(one.kind)}</span>
            <span class="strip">
              {[...one.text].map((sign, n) => {
                const value = one.activations[n] ?? null;
                const share = value === null ? 0 : value / largest;
                return (
                  <span key={n} class={n === Math.floor(one.text.length / 2) ? "middle" : ""} style={{ background: shade(share), color: value === null ? "var(--soft)" : onShade(share) }}>
                    {sign === " " ? " " : shown(sign)}
                  </span>
                );
              })}
            </span>
            <span class="number">{(one.activations[Math.floor(one.text.length / 2)] ?? 0).toFixed(2)}</span>
          </div>
        ))}
      </div>
    </div>
  );
}

/** How often each activation occurs; heights are logarithms, so that what is rare is seen. */
function Histogram({ counts, edges }: { counts: number[]; edges: number[] }) {
  const tallest = Math.log1p(Math.max(...counts));
  const width = 320 / counts.length;
  return (
    <svg class="histogram" width="320" height="62" role="img" aria-label="how often each activation occurs">
      {counts.map((count, n) => (
        <rect key={n} class="bar" x={n * width} y={44 - (44 * Math.log1p(count)) / tallest} width={width - 0.5} height={(44 * Math.log1p(count)) / tallest} />
      ))}
      <text x="0" y="58">
        {(edges[0] ?? 0).toFixed(2)}
      </text>
      <text x="160" y="58" text-anchor="middle">
        activation (height: logarithm of the count)
      </text>
      <text x="320" y="58" text-anchor="end">
        {(edges.at(-1) ?? 0).toFixed(2)}
      </text>
    </svg>
  );
}
