/** The page: one selection, held in the address; the text and the switches stay, the views change. */
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Ablations } from "./Ablations";
import { EXPORTED, NOTEBOOK } from "./exported";
import { Notebook } from "./Notebook";
import { asked, forgetKey, fromAddress, type Selection, toAddress } from "./selection";
import { json, type Model, type Text, useAnswer } from "./server";
import { named, VIEWS } from "./views";
import "./page.css";
import "./live.css";
import "./stored.css";

const preferred = (): string =>
  localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

function useTheme(): [string, () => void] {
  const [theme, setTheme] = useState(preferred);
  document.documentElement.dataset.theme = theme;
  const turn = (): void => {
    const other = theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", other);
    setTheme(other);
  };
  return [theme, turn];
}

/** The selection, which the address holds; another view is a step back in the browser's history. */
function useSelection(): [Selection, (some: Partial<Selection>) => void] {
  const read = (): Selection => fromAddress(EXPORTED ? location.hash.slice(1) : location.search);
  const [at, setAt] = useState<Selection>(read);
  const view = useRef(at.view);
  useEffect(() => {
    const back = (): void => setAt(read());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  // With the drawing, not after it: who goes back at once finds the view that was left.
  useLayoutEffect(() => {
    const address = `${EXPORTED ? "#" : "?"}${toAddress(at)}`;
    if (toAddress(at) !== toAddress(read())) history[view.current === at.view ? "replaceState" : "pushState"](null, "", address);
    view.current = at.view;
  }, [at]);
  return [at, (some) => setAt((last) => ({ ...last, ...some }))];
}

function Page() {
  const [at, set] = useSelection();
  const [theme, turnTheme] = useTheme();
  const models = useAnswer(EXPORTED ? "" : "models", json<string[]>);
  const none = EXPORTED !== null || models.value?.length === 0;
  const opened = useAnswer(none || !models.value ? "" : `model?model=${at.model}`, json<Model>);
  const model = none ? null : opened.value;
  const views = VIEWS.filter((one) => one.Stored || !none);
  const view = named(at.view, views);
  const Show = none ? undefined : view.Show;
  const Stored = Show ? undefined : view.Stored;
  const [again, setAgain] = useState(0);
  const answer = useAnswer(model ? `text?${asked(at)}${"&".repeat(again)}` : "", json<Text>);
  return (
    <>
      <nav>
        <h1>nanoscope</h1>
        <div class="tabs" role="tablist">
          {views.map(({ name, title }) => (
            <button key={name} role="tab" aria-selected={name === view.name} onClick={() => set({ view: name })}>
              {title}
            </button>
          ))}
        </div>
        {models.value && models.value.length > 0 && (
          <select aria-label="model" value={at.model} onChange={(event) => set({ model: Number(event.currentTarget.value), off: [] })}>
            {models.value.map((name, n) => (
              <option key={n} value={n}>
                {name}
              </option>
            ))}
          </select>
        )}
        {model && (
          <span class="about">
            {model.layers} layers × {model.heads} heads, width {model.width}, context {model.context}
          </span>
        )}
        <button class="theme" aria-label="light or dark" onClick={turnTheme}>
          {theme === "dark" ? "Light" : "Dark"}
        </button>
      </nav>
      {Stored && (
        <main class="whole">
          <Stored key={view.name} at={at} set={set} theme={theme} model={model} />
        </main>
      )}
      {Show && !model && <p class="loading">{models.error || opened.error || "Opening the checkpoint …"}</p>}
      {Show && model && (
        <main>
          <div class="side">
            <section class="panel" aria-label="Your text">
              <label class="typed">
                <h2>Your text</h2>
                <textarea rows={5} maxLength={4000} spellcheck={false} value={at.text} onInput={(event) => set({ text: event.currentTarget.value, position: -1 })} />
              </label>
              <p class="hint">{answer.value?.note || `${answer.value?.pieces.length ?? 0} of ${model.context} tokens`}</p>
            </section>
            <Ablations at={at} model={model} set={set} answer={answer} />
          </div>
          <Show key={view.name} at={at} model={model} set={set} answer={answer} pieces={answer.value?.pieces ?? []} refresh={() => setAgain((times) => times + 1)} theme={theme} />
        </main>
      )}
    </>
  );
}

if (!EXPORTED) forgetKey();
render(NOTEBOOK ? <Notebook {...NOTEBOOK} /> : <Page />, document.body);
