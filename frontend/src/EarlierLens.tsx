/** The lens of the typed text as the model was at an earlier checkpoint of its training. */
import { label, layersOf, widthOf } from "./LensView";
import { Legend } from "./parts";
import { RowNames, StayingNames } from "./RowNames";
import { useRoom } from "./room";
import type { Selection } from "./selection";
import { asked } from "./selection";
import { json, type Lens, type Model, useAnswer } from "./server";
import { onShade, percent, shade, shown } from "./shades";

const [HEIGHT, LEFT] = [24, 44];
/** What the frames take. */
const BESIDE = 100;

export function EarlierLens({ at, model, step, theme }: { at: Selection; model: Model; step: number; theme: string }) {
  const answer = useAnswer(`step?${asked({ ...at, off: [] })}&step=${step}`, json<Lens>);
  const found = answer.value;
  const WIDTH = widthOf(useRoom(BESIDE), found?.pieces.length ?? 1);
  const last = (found?.top.length ?? 1) - 1;
  const layers = layersOf(last + 1, HEIGHT);
  return (
    <section class="earlier" aria-label="lens at this step" aria-busy={answer.waiting} data-theme={theme}>
      <h3>
        What {model.name} would predict of your text at step {step}, after each layer
      </h3>
      {answer.error !== "" && (
        <p class="error" role="alert">
          {answer.error}
        </p>
      )}
      {found && (
        <>
          <div class="scroll">
            <StayingNames rows={layers} left={LEFT} height={HEIGHT * (last + 2)} size={12} />
            <svg class="grid" role="grid" aria-label="earlier lens" width={LEFT + WIDTH * found.pieces.length} height={HEIGHT * (last + 2)} font-family="ui-monospace, monospace" font-size="12" fill="currentColor">
              <RowNames rows={layers} left={LEFT} />
              {found.top.map((places, l) => (
                <g key={l} role="row">
                  {places.map((top, n) => {
                    const p = found.chance[l]?.[n]?.[0] ?? 0;
                    return (
                      <g key={n} role="gridcell" aria-label={`${label(l)} position ${n}: ${shown(top[0] ?? "")} ${percent(p)}`}>
                        <rect x={LEFT + WIDTH * n} y={HEIGHT * (last - l)} width={WIDTH - 1} height={HEIGHT - 1} rx="2" fill={shade(p)} />
                        <text x={LEFT + WIDTH * (n + 0.48)} y={HEIGHT * (last - l + 0.65)} text-anchor="middle" fill={onShade(p)}>
                          {shown(top[0] ?? "")}
                        </text>
                      </g>
                    );
                  })}
                </g>
              ))}
              {found.pieces.map((piece, n) => (
                <text key={n} x={LEFT + WIDTH * (n + 0.5)} y={HEIGHT * (last + 1.65)} text-anchor="middle">
                  {shown(piece)}
                </text>
              ))}
            </svg>
          </div>
          <Legend words="probability of the likeliest" low="0" high="1" />
          <p class="fact">
            loss per token at this step <b data-value="step loss">{found.mean_loss === null ? "–" : `${found.mean_loss.toFixed(3)} nats`}</b>
          </p>
        </>
      )}
    </section>
  );
}
