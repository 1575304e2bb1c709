import { useId } from "react";
import type { ComponentProps, ReactNode } from "react";
import { cx } from "./classes";

const CONTROL =
  "h-control rounded-md border border-line-strong bg-surface px-3 text-base text-ink " +
  "hover:border-ink-faint aria-invalid:border-bad disabled:opacity-55";

export function Input({ className, ...rest }: ComponentProps<"input">) {
  return <input className={cx(CONTROL, "w-full", className)} {...rest} />;
}

export function TextArea({ className, ...rest }: ComponentProps<"textarea">) {
  return <textarea className={cx(CONTROL.replace("h-control", "min-h-20"), "w-full py-2", className)} {...rest} />;
}

/** The browser's own select: every device knows how to show it, and every reader how to read it. */
export function Select({ className, children, isInline = false, ...rest }: ComponentProps<"select"> & {
  /** As wide as what is chosen, instead of as wide as there is room. */
  isInline?: boolean;
}) {
  return (
    <select className={cx(CONTROL, isInline ? "max-w-full min-w-0" : "w-full", className)} {...rest}>
      {children}
    </select>
  );
}

export function Checkbox({ label, className, ...rest }: ComponentProps<"input"> & { label: ReactNode }) {
  return (
    <label className={cx("inline-flex min-h-6 items-center gap-2 text-base", className)}>
      <input type="checkbox" className="size-4 accent-accent" {...rest} />
      {label}
    </label>
  );
}

export interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly error?: string | undefined;
  /** Gets what ties the control to its label, its hint and its error. */
  readonly children: (control: {
    id: string;
    "aria-describedby": string | undefined;
    "aria-invalid": true | undefined;
  }) => ReactNode;
}

/** A control with its label, a hint, and what is wrong with it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const describedBy = [error === undefined ? "" : `${id}-error`, hint === undefined ? "" : `${id}-hint`]
    .filter(Boolean)
    .join(" ");
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="text-sm font-medium text-ink">
        {label}
      </label>
      {children({
        id,
        "aria-describedby": describedBy === "" ? undefined : describedBy,
        "aria-invalid": error === undefined ? undefined : true,
      })}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-xs text-ink-faint">
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} role="alert" className="text-xs font-medium text-bad">
          {error}
        </p>
      )}
    </div>
  );
}
