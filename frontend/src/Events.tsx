/** When things happen: a dot a training, with its interval; what lies before the chosen step is done. */
import { stepScale } from "./axes";
import { figures, type Happening, type TrainingHistory } from "./stored";

const WIDTH = 560;
const ROW = 24;
const LEFT = 240;

const known = (steps: (number | null)[]): number[] => steps.filter((s): s is number => s !== null).sort((one, other) => one - other);
const middle = (one: Happening): number => known(one.steps)[Math.floor(known(one.steps).length / 2)] ?? Infinity;

export function Events({ found, step }: { found: TrainingHistory; step: number }) {
  const shown = found.events.filter((one) => known(one.steps).length > 0).sort((one, other) => middle(one) - middle(other));
  const never = found.events.filter((one) => known(one.steps).length === 0);
  const x = stepScale(found.steps, LEFT, WIDTH - 16);
  const height = ROW * shown.length + 8;
  return (
    <div class="events">
      <h3>What happens when</h3>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${height + 24}`} role="img" aria-label="events of training">
        {x.ticks.map((tick) => (
          <g key={tick} class="axis">
            <line class="rule" x1={x.at(tick)} x2={x.at(tick)} y1="0" y2={height} />
            <text x={x.at(tick)} y={height + 16} text-anchor="middle">
              {tick}
            </text>
          </g>
        ))}
        <line class="now" x1={x.at(step)} x2={x.at(step)} y1="0" y2={height} />
        {shown.map((one, row) => (
          <g key={one.name} class={`event${middle(one) <= step ? " done" : ""}`}>
            <text x={LEFT - 12} y={ROW * row + 20} text-anchor="end">
              {one.name} <tspan class="few">{`${known(one.steps).length} of ${one.steps.length}`}</tspan>
            </text>
            {one.steps.map((at, n) => {
              const y = ROW * row + 15 + (one.steps.length > 1 ? (n / (one.steps.length - 1) - 0.5) * 12 : 0);
              const [low, high] = [one.low[n], one.high[n]];
              return at === null ? null : (
                <g key={n}>
                  {low != null && high != null && <line x1={x.at(low)} x2={x.at(high)} y1={y} y2={y} />}
                  <circle cx={x.at(at)} cy={y} r="2.6">
                    <title>{`${found.trainings[n]}: step ${figures(at)}`}</title>
                  </circle>
                </g>
              );
            })}
          </g>
        ))}
      </svg>
      {never.length > 0 && <p class="hint">Never: {never.map((one) => one.name).join(", ")}.</p>}
    </div>
  );
}
