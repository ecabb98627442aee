/** The study's findings: every question with its answer; the chosen claim with its intervals, nulls, controls and figure. */
import type { RefObject } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { EXPORTED, picture } from "./exported";
import { Forest } from "./Forest";
import { Panel } from "./parts";
import { json, useAnswer } from "./server";
import { type Claim, figures, type Index, type Section } from "./stored";
import type { Looked } from "./views";

const TONES: Record<string, string> = { yes: "yes", no: "no", supported: "yes", "not supported": "no" };

export function Badge({ words }: { words: string }) {
  return <span class={`badge ${TONES[words] ?? "open"}`}>{words === "straddles the criterion" ? "straddles" : words}</span>;
}

/** `**bold**` as the report writes it. */
function Rich({ words }: { words: string }) {
  return <>{words.split("**").map((part, n) => (n % 2 ? <b key={n}>{part}</b> : part))}</>;
}

export const interval = (claim: Claim): string =>
  claim.effect.value === null ? claim.effect.why || "not measured" : `${figures(claim.effect.value)} [${figures(claim.effect.low)}, ${figures(claim.effect.high)}]`;

const HEAD = ["claim", "sentence", "question", "reply", "verdict", "value", "low", "high", "n", "unit", "criterion", "null", "adjusted p", "trainings"];
const line = (c: Claim): unknown[] => [c.id, c.sentence, c.question, c.reply, c.effect.verdict, c.effect.value, c.effect.low, c.effect.high, c.effect.n, c.effect.unit, c.criterion, c.null, c.adjusted, c.trainings_agree];

export function FindingsView({ at, set }: Looked) {
  const stored = useAnswer("stored", json<Index>);
  const answer = useAnswer("findings", json<Section[]>);
  const chart = useRef<SVGSVGElement>(null);
  const every = at.own.claims === "every";
  const sections = useMemo(
    () => (answer.value ?? []).map((one) => ({ ...one, claims: one.claims.filter((claim) => every || claim.question !== "") })).filter((one) => one.claims.length > 0),
    [answer.value, every],
  );
  const all = sections.flatMap((section) => section.claims.map((claim) => ({ section, claim })));
  const chosen = all.find(({ claim }) => claim.id === at.own.claim) ?? all[0];
  const keep = (own: Record<string, string>): void => set({ own: { ...at.own, ...own } });
  const move = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const next = all[all.findIndex(({ claim }) => claim.id === chosen?.claim.id) + by];
    if (by === 0 || !next) return;
    event.preventDefault();
    keep({ claim: next.claim.id, figure: "" });
    document.getElementById(`claim-${next.claim.id}`)?.focus();
  };
  const folder = stored.value?.folder ?? "FOLDER";
  return (
    <Panel
      title="Findings"
      hint={stored.value ? `${stored.value.name}, ${stored.value.date}: what was asked of ${stored.value.main.replace(/, seed \d+$/, "")}` : ""}
      waiting={answer.waiting}
      error={answer.error || stored.error}
      command={`nanoscope report ${folder}`}
      library={`from nanoscope.evidence.stored_study import read_study\nfrom nanoscope.views import stored_findings\nstored_findings.sections(read_study(${JSON.stringify(folder)}))`}
      exports={answer.value ? { name: "findings", rows: () => [HEAD, ...(answer.value ?? []).flatMap((s) => s.claims.map(line))], data: () => answer.value, chart: () => chart.current } : undefined}
    >
      {chosen && (
        <div class="findings">
          <div class="list" role="listbox" aria-label="claims" onKeyDown={move}>
            <label class="every">
              <input type="checkbox" checked={every} onChange={(event) => keep({ claims: event.currentTarget.checked ? "every" : "" })} />
              claims without a question too
            </label>
            {sections.map((section) => (
              <section key={section.experiment}>
                <h3>{section.title.replace(/^Finding \w+: /, "")}</h3>
                {section.claims.map((claim) => (
                  <button
                    key={claim.id}
                    id={`claim-${claim.id}`}
                    role="option"
                    tabIndex={claim.id === chosen.claim.id ? 0 : -1}
                    aria-selected={claim.id === chosen.claim.id}
                    onClick={() => keep({ claim: claim.id, figure: "" })}
                  >
                    <Badge words={claim.reply || claim.effect.verdict} />
                    <span>{claim.question || claim.sentence}</span>
                    <span class="number">{claim.trainings_agree}</span>
                  </button>
                ))}
              </section>
            ))}
          </div>
          <Card {...chosen} chart={chart} figure={at.own.figure ?? ""} choose={(figure) => keep({ figure })} />
        </div>
      )}
    </Panel>
  );
}

function Card(props: { section: Section; claim: Claim; chart: RefObject<SVGSVGElement | null>; figure: string; choose: (figure: string) => void }) {
  const { section, claim } = props;
  const own = section.figures.findIndex((one) => one.name === claim.figure);
  const at = props.figure === "" ? Math.max(0, own) : Math.min(Number(props.figure) || 0, section.figures.length - 1);
  const shown = section.figures[at];
  return (
    <article class="claim" aria-live="polite" aria-label={claim.id}>
      <h3 class="asked">{claim.question || claim.sentence}</h3>
      <p class="reply">
        <Badge words={claim.reply || claim.effect.verdict} />
        {claim.size && <span>{claim.size}.</span>}
      </p>
      <dl class="claim-facts">
        <dt>claim</dt>
        <dd>{claim.sentence}</dd>
        <dt>effect</dt>
        <dd data-value="effect">
          {interval(claim)}
          {claim.effect.value !== null && <small> 95 %, over {claim.effect.n} {claim.effect.unit}</small>}
        </dd>
        <dt>criterion</dt>
        <dd data-value="criterion">{claim.criterion}</dd>
        <dt>null</dt>
        <dd data-value="null">
          {figures(claim.null)} <small>{claim.null_is}</small>
        </dd>
        <dt>verdict</dt>
        <dd data-value="verdict">
          {claim.effect.verdict}
          {claim.alone && <small> (alone: {claim.alone})</small>}
          {claim.adjusted !== null && <small> adjusted p {claim.adjusted < 0.001 ? "< 0.001" : figures(claim.adjusted)}</small>}
        </dd>
      </dl>
      {claim.effect.verdict !== "withdrawn" && <Forest claim={claim} chart={props.chart} />}
      <p class="words">
        <Rich words={claim.words} />
      </p>
      {shown && (
        <figure>
          <div class="controls">
            {section.figures.map((one, n) => (
              <button key={`${one.result}${one.name}`} aria-pressed={n === at} onClick={() => props.choose(String(n))}>
                {one.name.replace(/^[a-z]+_/, "").replaceAll("_", " ")}
                {one.result !== section.result && `, ${one.of.replace(/^the |, seed \d+$/g, "")}`}
              </button>
            ))}
          </div>
          <img src={picture(shown.result, shown.name)} alt={`${shown.name.replaceAll("_", " ")}, ${shown.of}`} />
          <figcaption class="hint">
            {shown.of}; measured {section.date}
            {section.note && `; ${section.note}`}
            {" "}
            <a href={picture(shown.result, shown.name)} download={`${shown.name}.png`}>
              PNG
            </a>{" "}
            {!EXPORTED && (
              <a href={`${picture(shown.result, shown.name)}&kind=svg`} download={`${shown.name}.svg`}>
                SVG
              </a>
            )}
          </figcaption>
        </figure>
      )}
    </article>
  );
}
