/** A circuit drawn: layers upwards, an arrow as wide as its measured effect. Nodes and arrows are switches. */
import type { RefObject } from "preact";
import type { Arrow, Diagram } from "./messages";
import { signed } from "./diverging";

/** Pixels from one head to the next and from one layer to the next, beside what is left of a narrow and of a wide window. */
const NARROW = [70, 74] as const;
const WIDE = [96, 92] as const;
const WIDE_FROM = 1600;
const THIN = 0.6;
const THICK = 6;

export const strokeOf = (arrow: Arrow, largest: number): number => Math.max(THIN, (THICK * Math.abs(arrow.effect)) / largest);

export function CircuitDiagram(props: {
  diagram: Diagram;
  off: ReadonlySet<string>;
  /** Switches a node or an edge; without it they are only looked at. */
  turn?: (name: string) => void;
  hovered: string;
  hover: (name: string) => void;
  picture: RefObject<SVGSVGElement | null>;
}) {
  const { nodes, arrows, half_width, half_height } = props.diagram;
  const largest = Math.max(1e-9, ...arrows.map((one) => Math.abs(one.effect)));
  const [column, row] = innerWidth < WIDE_FROM ? NARROW : WIDE;
  const x = (at: number): number => (at + 0.9) * column;
  const y = (at: number): number => (at + 0.45) * row;
  const isOff = (one: Arrow): boolean => [one.name, one.source, one.reader].some((name) => props.off.has(name));
  const keys = (name: string) => (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    props.turn?.(name);
  };
  const switched = (name: string) =>
    props.turn
      ? ({ role: "button", tabindex: 0, "aria-pressed": props.off.has(name), onClick: () => props.turn?.(name), onKeyDown: keys(name) } as const)
      : ({ role: "img", tabindex: 0 } as const);
  const path = ({ way }: Arrow): string => {
    const points = Array.from({ length: way.length / 2 }, (_, n) => `${x(way[2 * n] ?? 0)} ${y(way[2 * n + 1] ?? 0)}`);
    return `M${points[0]}` + Array.from({ length: (points.length - 1) / 3 }, (_, n) => `C${points.slice(3 * n + 1, 3 * n + 4).join(",")}`).join("");
  };
  return (
    <div class="scroll">
      <svg ref={props.picture} xmlns="http://www.w3.org/2000/svg" class="circuit" role="group" aria-label="circuit" width={(props.diagram.width + 1.8) * column} height={(props.diagram.height + 0.9) * row} font-family="system-ui, sans-serif" font-size={column === WIDE[0] ? 12 : 10.5} onMouseLeave={() => props.hover("")}>
        {[...arrows].reverse().map((one) => (
          <g
            key={one.name}
            {...switched(one.name)}
            aria-label={`edge ${one.name}, effect ${signed(one.effect)} logits`}
            class={`arrow ${one.share >= 0 ? "with" : "against"} ${isOff(one) ? "off" : ""} ${props.hovered === one.name ? "hovered" : ""}`}
            onMouseEnter={() => props.hover(one.name)}
            onFocus={() => props.hover(one.name)}
          >
            <path d={path(one)} fill="none" stroke="transparent" stroke-width="12" />
            <path class="line" d={path(one)} fill="none" stroke-width={strokeOf(one, largest)} />
            <title>{`${one.name}: ${signed(one.effect)} logits`}</title>
          </g>
        ))}
        {nodes.map((one) =>
          one.live ? (
            <g
              key={one.name}
              {...switched(one.name)}
              aria-label={`node ${one.name}`}
              class={`node ${props.off.has(one.name) ? "off" : ""}`}
              onMouseEnter={() => props.hover(one.name)}
            >
              <rect x={x(one.x - half_width)} y={y(one.y - half_height)} width={2 * half_width * column} height={2 * half_height * row} rx="5" />
              <text x={x(one.x)} y={y(one.y) + 4} text-anchor="middle" font-weight="600">
                {one.name}
              </text>
            </g>
          ) : (
            <circle key={one.name} class="unused" cx={x(one.x)} cy={y(one.y)} r="3">
              <title>{`${one.name}: not in the circuit`}</title>
            </circle>
          ),
        )}
      </svg>
    </div>
  );
}
