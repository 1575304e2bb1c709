import type { Place, Widget } from "../model/document";
import type { Measured } from "./use-grid";
import { WidgetCard } from "./widget-card";

/** The widgets where they stand; in reading order for whoever cannot see where that is. */
export function GridView({ widgets, places, measured }: {
  widgets: readonly Widget[];
  places: readonly Place[];
  measured: Measured;
}) {
  const byId = new Map(widgets.map((widget) => [widget.id, widget]));
  const ordered = [...places].sort((a, b) => a.y - b.y || a.x - b.x);
  return (
    <div
      className="grid"
      style={{
        gridTemplateColumns: `repeat(${String(measured.grid.columns)}, minmax(0, 1fr))`,
        gridAutoRows: measured.rowHeight,
        gap: measured.gap,
      }}
    >
      {ordered.map((place) => {
        const widget = byId.get(place.i);
        if (widget === undefined) return null;
        return (
          <div
            key={place.i}
            data-widget={place.i}
            className="min-w-0"
            style={{
              gridColumn: `${String(place.x + 1)} / span ${String(place.w)}`,
              gridRow: `${String(place.y + 1)} / span ${String(place.h)}`,
            }}
          >
            <WidgetCard widget={widget} />
          </div>
        );
      })}
    </div>
  );
}
