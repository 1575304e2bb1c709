import type { ComponentProps, ReactNode } from "react";
import { usePermission } from "../session/session";
import type { Permission } from "../session/permission";
import { useTrust } from "../streams/hooks";
import { useText } from "../i18n/messages";
import { cx } from "./classes";
import { uiTexts } from "./texts";
import { Tooltip } from "./tooltip";

export type ButtonTone = "primary" | "plain" | "quiet" | "danger";

const TONES: Record<ButtonTone, string> = {
  primary: "bg-accent text-accent-ink hover:bg-accent-strong shadow-card",
  plain: "border border-line-strong/60 bg-surface text-ink hover:bg-sunken",
  quiet: "text-ink-soft hover:bg-sunken hover:text-ink",
  danger: "border border-bad bg-surface text-bad hover:bg-bad-soft",
};

export interface ButtonProps extends ComponentProps<"button"> {
  readonly tone?: ButtonTone;
  readonly icon?: ReactNode;
  readonly isBusy?: boolean;
}

export function Button({ tone = "plain", icon, isBusy = false, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      disabled={disabled === true || isBusy}
      aria-busy={isBusy || undefined}
      className={cx(
        "inline-flex h-control shrink-0 items-center justify-center gap-2 rounded-md text-sm font-medium whitespace-nowrap",
        children === undefined ? "w-control" : "px-3",
        "transition-colors disabled:opacity-55 aria-disabled:opacity-55",
        TONES[tone],
        className,
      )}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, "icon" | "children"> {
  readonly label: string;
  readonly icon: ReactNode;
}

/** A button that is only a picture; its name is a tooltip and what a screen reader says. */
export function IconButton({ label, icon, tone = "quiet", ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label}>
      <Button tone={tone} aria-label={label} icon={icon} {...rest} />
    </Tooltip>
  );
}

export interface ActionButtonProps extends ButtonProps {
  /** What one must be allowed to do. */
  readonly permission?: Permission;
  /** Another reason why it cannot be done now, in words. */
  readonly blocked?: string | undefined;
}

/**
 * A button that changes something. Where that cannot be, for want of a right or of a connection, it stays where it is,
 * does nothing and says why: to the pointer, to the keyboard and to a screen reader.
 */
export function ActionButton({ permission, blocked, onClick, children, ...rest }: ActionButtonProps) {
  const reason = useBlockedReason(permission, blocked);
  if (reason === undefined) {
    return (
      <Button onClick={onClick} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip text={reason}>
      <Button
        {...rest}
        aria-disabled
        aria-description={reason}
        onClick={(event) => {
          event.preventDefault();
        }}
      >
        {children}
      </Button>
    </Tooltip>
  );
}

/** Why an action cannot be done now, in words; undefined when it can. */
export function useBlockedReason(permission: Permission | undefined, blocked?: string): string | undefined {
  const t = useText(uiTexts);
  const isAllowed = usePermission(permission);
  const trust = useTrust();
  if (!isAllowed && permission !== undefined) return t("needsPermission", { permission });
  if (trust === "silent") return t("needsConnection");
  return blocked;
}
