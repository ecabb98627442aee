/** What the colours and widths of a circuit's arrows mean, and the effect of the one that is pointed at. */
import { signed } from "./diverging";
import type { Diagram } from "./messages";

export function CircuitLegend({ diagram, connected, hovered }: { diagram: Diagram; connected: number; hovered: string }) {
  const arrow = diagram.arrows.find((one) => one.name === hovered);
  const drawn = diagram.arrows.length;
  const all = drawn < connected ? `the strongest ${drawn} of ${connected} edges without dead ends` : "";
  return (
    <div class="legend circuit-legend">
      <svg width="46" height="10" aria-hidden="true">
        <line class="key with" x1="0" y1="5" x2="46" y2="5" />
      </svg>
      <span>carries the behaviour</span>
      <svg width="46" height="10" aria-hidden="true">
        <line class="key against" x1="0" y1="5" x2="46" y2="5" />
      </svg>
      <span>works against it; width: effect when it alone comes from the corrupt text</span>
      <span class="hint" aria-live="polite">
        {arrow ? `${arrow.name}: ${signed(arrow.effect)} logits, ${(100 * arrow.share).toFixed(1)} %` : hovered || all}
      </span>
    </div>
  );
}
