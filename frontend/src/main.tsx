/** The page: one selection, held in the address; the text and the switches stay, the views change. */
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Ablations } from "./Ablations";
import { asked, fromAddress, type Selection, toAddress } from "./selection";
import { json, type Model, type Text, useAnswer } from "./server";
import { named, VIEWS } from "./views";
import "./page.css";
import "./live.css";

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

function Page() {
  const [at, setAt] = useState<Selection>(() => fromAddress(location.search));
  const [theme, turnTheme] = useTheme();
  useEffect(() => {
    const back = (): void => setAt(fromAddress(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  useEffect(() => history.replaceState(null, "", `?${toAddress(at)}`), [at]);
  const set = (some: Partial<Selection>): void => setAt((last) => ({ ...last, ...some }));
  const models = useAnswer("models", json<string[]>);
  const opened = useAnswer(`model?model=${at.model}`, json<Model>);
  const model = opened.value;
  const view = named(at.view);
  const answer = useAnswer(model ? `text?${asked(at)}` : "", json<Text>);
  return (
    <>
      <nav>
        <h1>nanoscope</h1>
        <div class="tabs" role="tablist">
          {VIEWS.map(({ name, title }) => (
            <button key={name} role="tab" aria-selected={name === view.name} onClick={() => set({ view: name })}>
              {title}
            </button>
          ))}
        </div>
        {models.value && (
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
      {!model && <p class="loading">{opened.error || "Opening the checkpoint …"}</p>}
      {model && (
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
          <view.Show key={view.name} at={at} model={model} set={set} answer={answer} pieces={answer.value?.pieces ?? []} theme={theme} />
        </main>
      )}
    </>
  );
}

render(<Page />, document.body);
