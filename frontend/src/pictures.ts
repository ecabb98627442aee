/** A chart as a file of its own: the page's styles are written into its elements. */
import { save } from "./parts";

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "font-size", "font-weight", "font-family", "text-anchor", "paint-order"] as const;
const SHARPER = 2;

export function standalone(live: SVGSVGElement): string {
  const copy = live.cloneNode(true) as SVGSVGElement;
  const box = live.getBoundingClientRect();
  const from = [live, ...live.querySelectorAll("*")];
  for (const [n, element] of [copy, ...copy.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(from[n] as Element);
    for (const name of STYLES) element.setAttribute(name, style.getPropertyValue(name));
    element.removeAttribute("class");
    element.removeAttribute("style");
  }
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(Math.round(box.width)));
  copy.setAttribute("height", String(Math.round(box.height)));
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", getComputedStyle(live.closest(".panel") ?? document.body).backgroundColor]] as const) ground.setAttribute(name, value);
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

export const saveSvg = (drawing: string, name: string): void => save(`${name}.svg`, "image/svg+xml", drawing);

export function savePng(drawing: string, name: string): void {
  const image = new Image();
  image.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width * SHARPER, image.height * SHARPER];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((made) => made && save(`${name}.png`, "image/png", made));
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}
