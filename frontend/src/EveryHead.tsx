/** Every head of one training at the chosen checkpoint, by its scores: zero is the ground. */
import { arrow } from "./keys";
import { Legend } from "./parts";
import type { Selection } from "./selection";
import { onShade, shade } from "./shades";
import { type EveryHead, figures } from "./stored";

const CELL = 40;
const LEFT = 34;

export function EveryHeadGrid(props: { found: EveryHead; here: number; step: number; at: Selection; theme: string; choose: (layer: number, head: number) => void }) {
  const { found, here, at } = props;
  const shown = found.values[here] ?? [];
  return (
    <div class="every-head">
      <h3>
        Every head of {found.training.replace(/^the /, "")}, at step {props.step}
      </h3>
      <div class="columns" data-theme={props.theme}>
        {found.scores.map((score, s) => {
          const layers = shown[s] ?? [];
          const heads = layers[0]?.length ?? 0;
          return (
            <figure key={score}>
              <figcaption class="hint">{score}</figcaption>
              <svg
                class="chart grid"
                width={LEFT + CELL * heads}
                height={CELL * layers.length + 18}
                role="grid"
                tabindex={0}
                aria-label={`${score} of every head`}
                onKeyDown={(event: KeyboardEvent) => arrow(event, Math.min(at.layer, layers.length - 1) * heads + Math.min(at.head, heads - 1), heads, heads * layers.length, (n) => props.choose(Math.floor(n / heads), n % heads))}
              >
                {layers.map((row, l) => (
                  <g key={l} role="row">
                    <text x={LEFT - 8} y={CELL * (l + 0.5) + 4} text-anchor="end">
                      L{l}
                    </text>
                    {row.map((value, h) => (
                      <g key={h} role="gridcell" aria-label={`L${l}H${h} ${score} ${figures(value)}`} onClick={() => props.choose(l, h)}>
                        <rect class={l === at.layer && h === at.head ? "cell chosen" : "cell"} x={LEFT + CELL * h + 1} y={CELL * l + 1} width={CELL - 2} height={CELL - 2} rx="3" style={{ fill: shade(Math.max(0, value)) }} />
                        <text x={LEFT + CELL * (h + 0.5)} y={CELL * (l + 0.5) + 4} text-anchor="middle" style={{ fill: onShade(Math.max(0, value)) }}>
                          {Math.abs(value) < 0.05 ? "" : value.toFixed(2).replace("-", "−").replace("0.", ".")}
                        </text>
                      </g>
                    ))}
                  </g>
                ))}
                {Array.from({ length: heads }, (_, h) => (
                  <text key={h} x={LEFT + CELL * (h + 0.5)} y={CELL * layers.length + 14} text-anchor="middle">
                    H{h}
                  </text>
                ))}
              </svg>
            </figure>
          );
        })}
      </div>
      <Legend words={found.unit} low="≤ 0" high="1" />
    </div>
  );
}
