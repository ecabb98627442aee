/** Curves of one panel over the steps, with bands over trainings and a marker at the chosen checkpoint. */
import { BottomAxis, LeftAxis, linear, stepScale } from "./axes";
import { type Curve, figures } from "./stored";

export const PANELS = { width: 640, height: 272 };
const [LEFT, TOP, RIGHT, BOTTOM] = [64, 46, 470, 226];

export function CurvePanel(props: { x: number; y: number; steps: number[]; here: number; curves: Curve[]; go: (n: number) => void }) {
  const { steps, curves, here } = props;
  const x = stepScale(steps, LEFT, RIGHT);
  const y = linear(curves.flatMap((one) => [...one.trainings.flat(), ...(one.low ?? []), ...(one.high ?? [])]), BOTTOM, TOP, 4);
  const points = (values: number[]): string => values.map((v, n) => `${x.at(steps[n] ?? 0).toFixed(1)},${y.at(v).toFixed(1)}`).join(" ");
  const names = [...curves].sort((one, other) => (other.mean[here] ?? 0) - (one.mean[here] ?? 0));
  const pick = (event: MouseEvent): void => {
    const box = (event.currentTarget as SVGRectElement).getBoundingClientRect();
    const at = LEFT + ((event.clientX - box.left) / box.width) * (RIGHT - LEFT);
    props.go(steps.reduce((best, step, n) => (Math.abs(x.at(step) - at) < Math.abs(x.at(steps[best] ?? 0) - at) ? n : best), 0));
  };
  const heights = spaced(names.map((one) => y.at(one.mean[here] ?? 0)));
  return (
    <g transform={`translate(${props.x} ${props.y})`} class="panel-of-curves">
      <text class="heading" x={LEFT} y="20">
        {curves[0]?.panel}
      </text>
      <text class="title" x={LEFT} y="35">
        {curves[0]?.unit}
      </text>
      <BottomAxis scale={x} y={BOTTOM} top={TOP} x={(LEFT + RIGHT) / 2} title="step, log(1 + step)" />
      <LeftAxis scale={y} x={LEFT} right={RIGHT} y={0} title="" />
      {curves.map((one, n) => (
        <g key={one.name} class={`curve c${n}`}>
          {one.low && one.high && <polygon class="band" points={`${points(one.low)} ${points(one.high).split(" ").reverse().join(" ")}`} />}
          {one.trainings.length > 1 && one.trainings.map((values, t) => <polyline key={t} class="thin" points={points(values)} />)}
          <polyline class="mean" points={points(one.mean)} />
          <circle cx={x.at(steps[here] ?? 0)} cy={y.at(one.mean[here] ?? 0)} r="3.5" />
        </g>
      ))}
      <line class="now" x1={x.at(steps[here] ?? 0)} x2={x.at(steps[here] ?? 0)} y1={TOP} y2={BOTTOM} />
      {names.map((one, n) => (
        <g key={one.name} class={`curve c${curves.indexOf(one)}`}>
          <line class="lead" x1={RIGHT + 4} x2={RIGHT + 14} y1={y.at(one.mean[here] ?? 0)} y2={heights[n]} />
          <text class="said" data-curve={one.name} x={RIGHT + 18} y={(heights[n] ?? 0) + 4}>
            {`${one.name} ${figures(one.mean[here])}`}
          </text>
        </g>
      ))}
      <rect class="pick" x={LEFT} y={TOP} width={RIGHT - LEFT} height={BOTTOM - TOP} onClick={pick} />
    </g>
  );
}

const APART = 15;

/** Heights from the top down, moved apart so that words do not overlap, and kept within the panel. */
function spaced(heights: number[]): number[] {
  const down = heights.reduce<number[]>((done, height) => [...done, Math.max(height, (done.at(-1) ?? -Infinity) + APART)], []);
  const over = Math.max(0, (down.at(-1) ?? 0) - BOTTOM);
  return down.map((height, n) => Math.max(height - over, TOP + n * APART));
}
