/** An exported page has its answers in it and asks nobody. */
const held = document.getElementById("answers");

/** The answers by address; null where a server answers. */
export const EXPORTED: Record<string, unknown> | null = held ? (JSON.parse(held.textContent ?? "{}") as Record<string, unknown>) : null;

export function fromExport(address: string): Response {
  const found = EXPORTED?.[address];
  if (found === undefined) throw new Error("this exported page does not hold that; open the checkpoint with nanoscope open");
  return new Response(JSON.stringify(found));
}

/** The address of a picture, or the picture itself. */
export const picture = (result: string, name: string): string => {
  const address = `figure?result=${result}&name=${name}`;
  return EXPORTED ? String(EXPORTED[address] ?? "") : `api/${address}`;
};
