import { Plus } from "lucide-react";
import { useState } from "react";
import { useText } from "@/shared/i18n/messages";
import { Button } from "@/shared/ui/button";
import type { Place, ShownDashboard, Widget } from "../model/document";
import { dashboardTexts } from "../texts";
import { GridEditor } from "./grid-editor";
import type { Measured } from "./use-grid";
import { WidgetDialog } from "./widget-dialog";

/** A dashboard while it is changed: nothing is kept before "Done". */
export function DashboardEditor({ dashboard, places, measured, onChange }: {
  dashboard: ShownDashboard;
  places: readonly Place[];
  measured: Measured;
  onChange: (dashboard: ShownDashboard) => void;
}) {
  const t = useText(dashboardTexts);
  const [open, setOpen] = useState<{ readonly widget: Widget | undefined } | undefined>();

  const putPlaces = (next: Place[]): void => {
    onChange({ ...dashboard, layouts: { ...dashboard.layouts, [measured.grid.name]: next } });
  };
  const put = (widget: Widget): void => {
    const isNew = !dashboard.widgets.some((one) => one.id === widget.id);
    const widgets = isNew ? [...dashboard.widgets, widget] : dashboard.widgets.map((one) => (one.id === widget.id ? widget : one));
    onChange({ ...dashboard, widgets });
    setOpen(undefined);
  };
  const remove = (widget: Widget): void => {
    const layouts = Object.fromEntries(
      Object.entries(dashboard.layouts).map(([name, kept]) => [name, kept.filter((place) => place.i !== widget.id)]),
    );
    onChange({ ...dashboard, widgets: dashboard.widgets.filter((one) => one.id !== widget.id), layouts });
  };
  return (
    <>
      <GridEditor
        widgets={dashboard.widgets}
        places={places}
        measured={measured}
        onPlaces={putPlaces}
        onSettings={(widget) => {
          setOpen({ widget });
        }}
        onRemove={remove}
      />
      <Button
        className="mt-4 h-14 w-full border-dashed"
        icon={<Plus className="size-4" aria-hidden />}
        onClick={() => {
          setOpen({ widget: undefined });
        }}
      >
        {t("add")}
      </Button>
      {open !== undefined && (
        <WidgetDialog
          widget={open.widget}
          onPut={put}
          onClose={() => {
            setOpen(undefined);
          }}
        />
      )}
    </>
  );
}
