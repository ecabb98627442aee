/** What is looked at, held in the address: a copied link restores everything. */
export const HOWS = ["zero", "mean", "other", "corpus"] as const;
export type How = (typeof HOWS)[number];

export interface Selection {
  view: string;
  model: number;
  text: string;
  layer: number;
  head: number;
  position: number;
  off: string[];
  how: How;
  /** The text whose values replace what is off, where `how` is "other". */
  other: string;
  weighted: boolean;
  /** What a view alone keeps in the address, by a name of its own. */
  own: Record<string, string>;
}

export const OPENING = "ROMEO:\nWhat light through yonder window breaks?";

/** The key of the printed address: the server has left it in a cookie, and a copied link should not carry it. */
const KEY = "key";
const SHARED = [KEY, "view", "model", "text", "layer", "head", "position", "off", "how", "other", "weighted"];

export function fromAddress(search: string): Selection {
  const given = new URLSearchParams(search);
  const whole = (name: string): number => Math.max(0, Number.parseInt(given.get(name) ?? "0", 10) || 0);
  return {
    view: given.get("view") ?? "",
    model: whole("model"),
    text: given.get("text") ?? OPENING,
    layer: whole("layer"),
    head: whole("head"),
    position: given.has("position") ? whole("position") : -1,
    off: (given.get("off") ?? "").split(",").filter((name) => name !== ""),
    how: HOWS.find((how) => how === given.get("how")) ?? "zero",
    other: given.get("other") ?? "",
    weighted: given.get("weighted") === "1",
    own: Object.fromEntries([...given].filter(([name]) => !SHARED.includes(name))),
  };
}

export function toAddress(at: Selection): string {
  const said = new URLSearchParams({ view: at.view, text: at.text });
  if (at.model) said.set("model", String(at.model));
  if (at.layer) said.set("layer", String(at.layer));
  if (at.head) said.set("head", String(at.head));
  if (at.position >= 0) said.set("position", String(at.position));
  if (at.off.length) said.set("off", at.off.join(","));
  if (at.how !== "zero") said.set("how", at.how);
  if (at.other) said.set("other", at.other);
  if (at.weighted) said.set("weighted", "1");
  for (const [name, value] of Object.entries(at.own)) if (value !== "") said.set(name, value);
  return said.toString();
}

/** Take the key out of the address that was opened. */
export function forgetKey(): void {
  const given = new URLSearchParams(location.search);
  if (!given.has(KEY)) return;
  given.delete(KEY);
  const rest = given.toString();
  history.replaceState(null, "", `${location.pathname}${rest === "" ? "" : `?${rest}`}${location.hash}`);
}

/** The part of a selection that the model computes from. */
export function asked(at: Selection): string {
  const said = new URLSearchParams({ model: String(at.model), text: at.text, off: at.off.join(","), how: at.how });
  if (at.how === "other") said.set("other", at.other);
  return said.toString();
}
