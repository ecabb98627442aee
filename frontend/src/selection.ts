/** What is looked at, held in the address: a copied link restores everything. */
export interface Selection {
  view: string;
  model: number;
  text: string;
  layer: number;
  head: number;
  position: number;
  off: string[];
  how: "zero" | "mean";
  weighted: boolean;
  /** What a view alone keeps in the address, by a name of its own. */
  own: Record<string, string>;
}

export const OPENING = "ROMEO:\nWhat light through yonder window breaks?";

const SHARED = ["view", "model", "text", "layer", "head", "position", "off", "how", "weighted"];

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
    how: given.get("how") === "mean" ? "mean" : "zero",
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
  if (at.how === "mean") said.set("how", "mean");
  if (at.weighted) said.set("weighted", "1");
  for (const [name, value] of Object.entries(at.own)) if (value !== "") said.set(name, value);
  return said.toString();
}

/** The part of a selection that the model computes from. */
export function asked(at: Selection): string {
  return new URLSearchParams({ model: String(at.model), text: at.text, off: at.off.join(","), how: at.how }).toString();
}
