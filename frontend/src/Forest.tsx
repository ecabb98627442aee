/** A claim's evidence as intervals: all trainings together, each alone, and the models beside; the criterion shaded. */
import type { RefObject } from "preact";
import { BottomAxis, linear } from "./axes";
import { type Claim, figures, type Told } from "./stored";

const ROW = 22;
const LEFT = 170;
const RIGHT = 540;
const WIDTH = 720;

interface Row {
  told: Told;
  kind: "whole" | "part" | "beside";
}

function rows(claim: Claim): Row[] {
  const parts = claim.trainings.length > 1 ? claim.trainings : [];
  return [
    { told: claim.effect, kind: "whole" },
    ...parts.map((told) => ({ told, kind: "part" as const })),
    ...claim.beside.map((told) => ({ told, kind: "beside" as const })),
  ];
}

export function Forest({ claim, chart }: { claim: Claim; chart: RefObject<SVGSVGElement | null> }) {
  const shown = rows(claim);
  const ends = shown.flatMap(({ told }) => [told.value, told.low, told.high]);
  const [least, most] = claim.region;
  const x = linear([...ends, least, most, claim.null], LEFT, RIGHT);
  const bottom = 8 + ROW * shown.length;
  const from = least === null ? LEFT : x.at(least);
  const to = most === null ? RIGHT : x.at(most);
  return (
    <svg ref={chart} class="chart forest" viewBox={`0 0 ${WIDTH} ${bottom + 40}`} role="img" aria-label={`intervals of ${claim.id}`}>
      <rect class="region" x={from} y="0" width={Math.max(0, to - from)} height={bottom} />
      <BottomAxis scale={x} y={bottom} top={0} x={(LEFT + RIGHT) / 2} title={`shaded: the criterion, ${claim.criterion}${claim.null === null ? "" : "; dashed: the null"}`} />
      {claim.null !== null && <line class="null" x1={x.at(claim.null)} x2={x.at(claim.null)} y1="0" y2={bottom} />}
      {shown.map(({ told, kind }, n) => {
        const y = 8 + ROW * (n + 0.5);
        return (
          <g key={n} class={`told ${kind}`}>
            <text x={LEFT - 10} y={y + 4} text-anchor="end">
              {told.name.length > 28 ? `${told.name.slice(0, 27)}…` : told.name}
            </text>
            {told.low !== null && told.high !== null && <line x1={x.at(told.low)} x2={x.at(told.high)} y1={y} y2={y} />}
            {told.value !== null && <circle cx={x.at(told.value)} cy={y} r={kind === "whole" ? 5 : 3.5} />}
            <text x={RIGHT + 12} y={y + 4}>
              {told.value === null ? told.verdict : `${figures(told.value)}  ${told.verdict === "straddles the criterion" ? "straddles" : told.verdict}`}
            </text>
          </g>
        );
      })}
    </svg>
  );
}
