import type uPlot from "uplot";
import type { Span } from "@precisionpulse/live";

let pattern: { readonly color: string; readonly fill: CanvasPattern | null } | undefined;

function hatching(context: CanvasRenderingContext2D, color: string): CanvasPattern | string {
  if (pattern?.color !== color) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    if (pen !== null) {
      pen.strokeStyle = color;
      pen.globalAlpha = 0.35;
      pen.lineWidth = 1.5;
      pen.beginPath();
      for (const shift of [-8, 0, 8]) {
        pen.moveTo(shift, 8);
        pen.lineTo(shift + 8, 0);
      }
      pen.stroke();
    }
    pattern = { color, fill: context.createPattern(tile, "repeat") };
  }
  return pattern.fill ?? color;
}

/** Draw hatching over the spans in which nothing is known, and say which these are: a canvas cannot be asked. */
export function drawHatching(plot: uPlot, spans: readonly Span[], color: string): void {
  const { ctx: context, bbox } = plot;
  const said = spans.map(({ from, to }) => `${String(Math.round(from))}-${String(Math.round(to))}`).join(" ");
  if (plot.root.dataset["gaps"] !== said) plot.root.dataset["gaps"] = said;
  context.save();
  context.fillStyle = hatching(context, color);
  for (const span of spans) {
    const left = Math.max(bbox.left, plot.valToPos(span.from, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(span.to, "x", true));
    if (right - left >= 1) context.fillRect(left, bbox.top, right - left, bbox.height);
  }
  context.restore();
}
