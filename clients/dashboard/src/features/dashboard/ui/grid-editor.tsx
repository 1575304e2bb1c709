import { ArrowDown, ArrowLeft, ArrowRight, ArrowUp, GripVertical, Settings2, Trash2 } from "lucide-react";
import { useState } from "react";
import GridLayout from "react-grid-layout";
import "./grid-editor.css";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import { Menu } from "@/shared/ui/menu";
import type { Place, Widget } from "../model/document";
import { stepped } from "../model/layout";
import type { Step } from "../model/layout";
import { dashboardTexts } from "../texts";
import type { Measured } from "./use-grid";
import { useWidgetTitle, WidgetCard } from "./widget-card";

const ICON = "size-4 shrink-0 text-ink-faint";
const MOVES = [
  ["left", <ArrowLeft key="left" className={ICON} aria-hidden />],
  ["right", <ArrowRight key="right" className={ICON} aria-hidden />],
  ["up", <ArrowUp key="up" className={ICON} aria-hidden />],
  ["down", <ArrowDown key="down" className={ICON} aria-hidden />],
] as const;
const SIZES = ["wider", "narrower", "taller", "shorter"] as const;

/** The same widgets, to be moved and resized: with the pointer by their heads and corners, with the keyboard by a menu. */
export function GridEditor({ widgets, places, measured, onPlaces, onSettings, onRemove }: {
  widgets: readonly Widget[];
  places: readonly Place[];
  measured: Measured;
  onPlaces: (places: Place[]) => void;
  onSettings: (widget: Widget) => void;
  onRemove: (widget: Widget) => void;
}) {
  const t = useText(dashboardTexts);
  const titleOf = useWidgetTitle();
  const [said, setSaid] = useState("");
  const { columns } = measured.grid;

  const step = (widget: Widget, way: Step): void => {
    const next = stepped(places, widget.id, way, columns);
    onPlaces(next);
    const place = next.find((one) => one.i === widget.id);
    if (place === undefined) return;
    setSaid(t("placed", { name: titleOf(widget), x: place.x + 1, y: place.y + 1, w: place.w, h: place.h }));
  };

  return (
    <>
      <p aria-live="polite" className="sr-only">
        {said}
      </p>
      <GridLayout
        width={measured.width}
        layout={places.map((place) => ({ ...place }))}
        gridConfig={{ cols: columns, rowHeight: measured.rowHeight, margin: [measured.gap, measured.gap], containerPadding: [0, 0] }}
        dragConfig={{ enabled: true, handle: "header", cancel: "button" }}
        resizeConfig={{ enabled: true, handles: ["se"] }}
        onLayoutChange={(layout) => {
          onPlaces(layout.map(({ i, x, y, w, h }) => ({ i, x, y, w, h })));
        }}
      >
        {widgets.map((widget) => (
          <div key={widget.id} data-widget={widget.id} className="rounded-lg outline-2 outline-offset-2 outline-accent/50 outline-dashed">
            <WidgetCard
              widget={widget}
              handle={
                <Menu
                  trigger={
                    <Button tone="quiet" aria-label={t("move", { name: titleOf(widget) })} icon={<GripVertical className="size-4" aria-hidden />} />
                  }
                  groups={[
                    MOVES.map(([way, icon]) => ({ label: t(way), icon, onSelect: () => { step(widget, way); } })),
                    SIZES.map((way) => ({ label: t(way), onSelect: () => { step(widget, way); } })),
                    [
                      { label: t("settings"), icon: <Settings2 className={ICON} aria-hidden />, onSelect: () => { onSettings(widget); } },
                      { label: t("removeWidget"), icon: <Trash2 className="size-4" aria-hidden />, isDanger: true, onSelect: () => { onRemove(widget); } },
                    ],
                  ]}
                />
              }
            />
          </div>
        ))}
      </GridLayout>
    </>
  );
}
