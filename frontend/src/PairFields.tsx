/** Two texts and the two symbols that are compared after them. What is not given is suggested by the server. */
import { useEffect, useState } from "preact/hooks";
import type { Pair } from "./messages";
import type { Selection } from "./selection";
import { json, type Loadable, useAnswer } from "./server";
import { shown } from "./shades";

/** Visible signs for what cannot be seen, back to what they stand for. */
const meant = (text: string): string => text.replaceAll("⏎", "\n").replaceAll("␣", " ").replaceAll("⇥", "\t");

export const SETTLE = 350;

/** The pair of the selection, once typing has paused: the typed text is the clean one. */
export function usePair(at: Selection): Loadable<Pair> {
  const { corrupt = "", answer = "", wrong = "" } = at.own;
  const [asked, setAsked] = useState("");
  const address = `pair?${new URLSearchParams({ model: String(at.model), text: at.text, ...(corrupt ? { corrupt } : {}) })}`;
  useEffect(() => {
    const later = setTimeout(() => setAsked(address), asked === "" ? 0 : SETTLE);
    return () => clearTimeout(later);
  }, [address]);
  const found = useAnswer(asked, json<Pair>);
  const fresh = asked === address && !found.waiting;
  const value = found.value && { ...found.value, answer: meant(answer) || found.value.answer, wrong: meant(wrong) || found.value.wrong };
  return { ...found, value: fresh && found.error === "" ? value : null, waiting: !fresh };
}

export function PairFields(props: { at: Selection; set: (some: Partial<Selection>) => void; pair: Loadable<Pair> }) {
  const { at, set, pair } = props;
  const own = (some: Record<string, string>): void => set({ own: { ...at.own, ...some } });
  const symbol = (name: "answer" | "wrong", words: string) => (
    <label>
      {words}
      <input class="symbol" aria-label={words} size={4} maxLength={40} placeholder={pair.value ? shown(pair.value[name]) : ""} value={shown(at.own[name] ?? "")} onInput={(event) => own({ [name]: event.currentTarget.value })} />
    </label>
  );
  return (
    <div class="pair">
      <label class="typed">
        <span class="hint">corrupt text: as long as your text, the clean one</span>
        <textarea rows={3} maxLength={4000} spellcheck={false} aria-label="corrupt text" value={at.own.corrupt ?? pair.value?.corrupt ?? ""} onInput={(event) => own({ corrupt: event.currentTarget.value })} />
      </label>
      <div class="controls">
        {symbol("answer", "expected after clean")}
        {symbol("wrong", "expected after corrupt")}
        <button onClick={() => own({ corrupt: "", answer: "", wrong: "" })} title="The change of one symbol that matters most">
          Suggest
        </button>
      </div>
      {pair.error !== "" && !pair.waiting && (
        <p class="error" role="alert">
          {pair.error}
        </p>
      )}
      {pair.value && <Differences clean={pair.value.clean} corrupt={pair.value.corrupt} />}
    </div>
  );
}

/** Where the two texts differ. */
function Differences({ clean, corrupt }: { clean: string; corrupt: string }) {
  const [one, other] = [[...clean], [...corrupt]];
  if (one.length !== other.length) return null;
  const places = one.flatMap((sign, n) => (sign === other[n] ? [] : [n]));
  if (places.length === 0) return <p class="hint">the two texts are the same</p>;
  const begin = Math.max(0, (places[0] ?? 0) - 18);
  return (
    <p class="differences hint" aria-label="where the texts differ">
      <span class="key">
        <ins>clean</ins> <del>corrupt</del>
      </span>{" "}
      {begin > 0 && "… "}
      {one.slice(begin).map((sign, n) =>
        sign === other[begin + n] ? (
          shown(sign)
        ) : (
          <span key={n}>
            <ins>{shown(sign)}</ins>
            <del>{shown(other[begin + n] ?? "")}</del>
          </span>
        ),
      )}
    </p>
  );
}

export const pairLibrary = (pair: Pair): string =>
  `from nanoscope.checkpoints.checkpoint import load\nfrom nanoscope.views import pairs\ncheckpoint = load(CKPT)\ntask, _ = pairs.task_of(checkpoint, (${JSON.stringify(pair.clean)}, ${JSON.stringify(pair.corrupt)}), (${JSON.stringify(pair.answer)}, ${JSON.stringify(pair.wrong)}))`;
