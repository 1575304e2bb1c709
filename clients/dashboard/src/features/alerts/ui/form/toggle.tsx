import type { Permission } from "@/shared/session/permission";
import { ActionButton } from "@/shared/ui/button";
import { cx } from "@/shared/ui/classes";

/** On or off, at once. In a row it does not open the row. */
export function Toggle({ isOn, label, permission, isBusy, onChange }: {
  isOn: boolean;
  /** What pressing it does. */
  label: string;
  permission: Permission;
  isBusy: boolean;
  onChange: (isOn: boolean) => void;
}) {
  return (
    <ActionButton
      permission={permission}
      tone="quiet"
      role="switch"
      aria-checked={isOn}
      aria-label={label}
      isBusy={isBusy}
      className="w-11 px-0"
      onClick={(event) => {
        event.stopPropagation();
        onChange(!isOn);
      }}
      icon={
        <span aria-hidden className={cx("inline-flex h-5 w-9 items-center rounded-full border p-0.5", isOn ? "border-accent bg-accent" : "border-line-strong bg-surface")}>
          <span className={cx("size-3.5 rounded-full transition-transform", isOn ? "translate-x-4 bg-accent-ink" : "bg-line-strong")} />
        </span>
      }
    />
  );
}
