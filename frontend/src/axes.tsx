/** Axes of charts: round ticks, and a step axis on which early checkpoints have room. */
export interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

const ROUND = [1, 2, 5, 10];

/** A scale from the least to the greatest of some values, with a little room; its ticks are round numbers. */
export function linear(values: readonly (number | null | undefined)[], from: number, to: number, count = 5): Scale {
  const known = values.filter((v): v is number => typeof v === "number" && Number.isFinite(v));
  const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  const room = (most - least || Math.abs(most) || 1) * 0.05;
  const [low, high] = [least - room, most + room];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (ROUND.find((r) => r * power >= rough) ?? 10);
  const ticks = Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, n) => Number(((Math.ceil(low / step) + n) * step).toPrecision(10)));
  return { at: (v) => from + ((v - low) / (high - low)) * (to - from), ticks };
}

/** log(1 + step): dense early checkpoints are apart, and step 0 is there. */
export function stepScale(steps: readonly number[], from: number, to: number): Scale {
  const last = Math.log1p(steps.at(-1) ?? 1);
  const ticks = [0, 1, 10, 100, 1000, 10000, 100000].filter((s) => s <= (steps.at(-1) ?? 0));
  return { at: (s) => from + (Math.log1p(s) / last) * (to - from), ticks };
}

export const tickWords = (x: number): string => (Math.abs(x) >= 10000 ? `${x / 1000}k` : String(x).replace("-", "−"));

export function BottomAxis(props: { scale: Scale; y: number; top: number; title: string; x: number }) {
  return (
    <g class="axis">
      {props.scale.ticks.map((tick) => (
        <g key={tick}>
          <line class="rule" x1={props.scale.at(tick)} x2={props.scale.at(tick)} y1={props.top} y2={props.y} />
          <text x={props.scale.at(tick)} y={props.y + 15} text-anchor="middle">
            {tickWords(tick)}
          </text>
        </g>
      ))}
      <text class="title" x={props.x} y={props.y + 33} text-anchor="middle">
        {props.title}
      </text>
    </g>
  );
}

export function LeftAxis(props: { scale: Scale; x: number; right: number; title: string; y: number }) {
  return (
    <g class="axis">
      {props.scale.ticks.map((tick) => (
        <g key={tick}>
          <line class="rule" x1={props.x} x2={props.right} y1={props.scale.at(tick)} y2={props.scale.at(tick)} />
          <text x={props.x - 6} y={props.scale.at(tick) + 4} text-anchor="end">
            {tickWords(tick)}
          </text>
        </g>
      ))}
      <text class="title" transform={`translate(${props.x - 42} ${props.y}) rotate(-90)`} text-anchor="middle">
        {props.title}
      </text>
    </g>
  );
}
