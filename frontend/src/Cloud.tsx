/** All heads as dots on two measures: the colour is the layer, the size the causal effect, the bars the spread over trainings. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { BottomAxis, LeftAxis, linear } from "./axes";
import { layerInk } from "./shades";
import { figures, type HeadTable, type Measure } from "./stored";

const WIDTH = 760;
const HEIGHT = 560;
const [LEFT, TOP, RIGHT, BOTTOM] = [70, 14, 744, 510];
const [LEAST, MOST] = [5, 17];

export const flat = (grid: (number | null)[][] | null): (number | null)[] => (grid ?? []).flat();

export function Cloud(props: {
  table: HeadTable;
  x: Measure;
  y: Measure;
  effect: Measure | undefined;
  chosen: number;
  spread: boolean;
  theme: string;
  choose: (head: number) => void;
  chart: RefObject<SVGSVGElement | null>;
}) {
  const [hovered, setHovered] = useState(-1);
  const [xs, ys] = [flat(props.x.values), flat(props.y.values)];
  const spread = props.spread && props.table.trainings > 1;
  const around = (one: Measure): (number | null)[] => (spread ? [...flat(one.rank_low), ...flat(one.rank_high)] : []);
  const x = linear([...xs, ...around(props.x)], LEFT, RIGHT, 7);
  const y = linear([...ys, ...around(props.y)], BOTTOM, TOP, 6);
  const sizes = flat(props.effect?.values ?? null).map((value) => Math.abs(value ?? 0));
  const largest = Math.max(...sizes, 1e-12);
  const radius = (n: number): number => (props.effect ? LEAST + (MOST - LEAST) * Math.sqrt((sizes[n] ?? 0) / largest) : 7);
  const layers = props.x.values.length;
  const heads = props.x.values[0]?.length ?? 1;
  const extreme = new Set([...order(xs).slice(0, 3), ...order(ys).slice(0, 3), props.chosen, hovered]);
  return (
    <svg ref={props.chart} class="chart cloud" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label="cloud of heads">
      <BottomAxis scale={x} y={BOTTOM} top={TOP} x={(LEFT + RIGHT) / 2} title={`${props.x.name} (${props.x.unit})`} />
      <LeftAxis scale={y} x={LEFT} right={RIGHT} y={(TOP + BOTTOM) / 2} title={`${props.y.name} (${props.y.unit})`} />
      {spread &&
        xs.map((at, n) => (
          <g key={n} class={`spread${n === props.chosen || n === hovered ? " strong" : ""}`}>
            <Bar from={flat(props.x.rank_low)[n]} to={flat(props.x.rank_high)[n]} at={ys[n]} along={x.at} across={y.at} />
            <Bar from={flat(props.y.rank_low)[n]} to={flat(props.y.rank_high)[n]} at={at} along={y.at} across={x.at} upright />
          </g>
        ))}
      {order(props.effect ? sizes : xs).map((n) => {
        const [cx, cy] = [xs[n], ys[n]];
        if (cx == null || cy == null) return null;
        return (
          <circle
            key={n}
            class={n === props.chosen ? "dot chosen" : "dot"}
            data-head={props.table.names[n]}
            cx={x.at(cx)}
            cy={y.at(cy)}
            r={radius(n)}
            style={{ fill: layerInk(Math.floor(n / heads), layers) }}
            onClick={() => props.choose(n)}
            onMouseEnter={() => setHovered(n)}
            onMouseLeave={() => setHovered(-1)}
          >
            <title>{`${props.table.names[n]}: ${props.x.name} ${figures(cx)}, ${props.y.name} ${figures(cy)}`}</title>
          </circle>
        );
      })}
      {[...extreme].map((n) => {
        const [cx, cy] = [xs[n], ys[n]];
        if (n < 0 || cx == null || cy == null) return null;
        const right = x.at(cx) < RIGHT - 60;
        return (
          <text key={n} class={n === props.chosen ? "name strong" : "name"} x={x.at(cx) + (right ? 1 : -1) * (radius(n) + 5)} y={y.at(cy) + 4} text-anchor={right ? "start" : "end"}>
            {props.table.names[n]}
          </text>
        );
      })}
    </svg>
  );
}

/** The numbers of the heads, the largest value first. */
const order = (values: (number | null)[]): number[] => values.map((_, n) => n).sort((one, other) => (values[other] ?? 0) - (values[one] ?? 0));

function Bar(props: { from: number | null | undefined; to: number | null | undefined; at: number | null | undefined; along: (v: number) => number; across: (v: number) => number; upright?: boolean }) {
  if (props.from == null || props.to == null || props.at == null) return null;
  const [one, other, beside] = [props.along(props.from), props.along(props.to), props.across(props.at)];
  return props.upright ? <line x1={beside} x2={beside} y1={one} y2={other} /> : <line x1={one} x2={other} y1={beside} y2={beside} />;
}

export function LayerLegend({ layers }: { layers: number }) {
  return (
    <div class="legend">
      <span>layer</span>
      {Array.from({ length: layers }, (_, layer) => (
        <span key={layer} class="layer-mark">
          <i style={{ background: layerInk(layer, layers) }} />
          {layer}
        </span>
      ))}
    </div>
  );
}
