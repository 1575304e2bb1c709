import { Check } from "lucide-react";
import { DropdownMenu as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { cx } from "./classes";

export interface MenuItem {
  readonly label: string;
  readonly onSelect: () => void;
  readonly icon?: ReactNode;
  readonly isDanger?: boolean;
  /** Why it cannot be done now. */
  readonly blocked?: string | undefined;
  /** Set for a choice: whether it is the one that holds. */
  readonly isChosen?: boolean;
}

export interface MenuProps {
  /** The button that opens it. */
  readonly trigger: ReactNode;
  /** Groups of items, with a line between them. */
  readonly groups: readonly (readonly MenuItem[])[];
  readonly heading?: ReactNode;
  readonly align?: "start" | "end";
}

export function Menu({ trigger, groups, heading, align = "end" }: MenuProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-high"
        >
          {heading !== undefined && <div className="px-2.5 py-2 text-sm text-ink-soft">{heading}</div>}
          {groups.map((items, index) => (
            <Radix.Group key={items[0]?.label ?? index}>
              {(index > 0 || heading !== undefined) && <Radix.Separator className="my-1 h-px bg-line" />}
              {items.map((item) => (
                <Radix.Item
                  key={item.label}
                  disabled={item.blocked !== undefined}
                  onSelect={item.onSelect}
                  className={cx(
                    "flex min-h-8 items-center gap-2.5 rounded-md px-2.5 py-1 text-sm outline-none",
                    "data-highlighted:bg-accent-soft data-disabled:opacity-60",
                    item.isDanger === true ? "text-bad" : "text-ink",
                  )}
                >
                  {item.icon}
                  <span className="grow">
                    {item.label}
                    {item.blocked !== undefined && <span className="block text-xs text-ink-faint">{item.blocked}</span>}
                  </span>
                  {item.isChosen === true && <Check className="size-4 text-accent" aria-hidden />}
                </Radix.Item>
              ))}
            </Radix.Group>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
