import type { ReactNode } from "react";
import { cx } from "./classes";

/** A titled area of a screen. */
export function Panel({ title, actions, children, className, isFlush = false }: {
  title?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Without padding: tables reach the edge. */
  isFlush?: boolean;
}) {
  return (
    <section className={cx("flex min-w-0 flex-col rounded-lg border border-line bg-surface shadow-card", className)}>
      {(title !== undefined || actions !== undefined) && (
        <header className="flex min-h-11 items-center gap-3 border-b border-line px-pad py-1.5">
          <h2 className="min-w-0 grow truncate text-sm font-semibold">{title}</h2>
          {actions}
        </header>
      )}
      <div className={cx("min-h-0 min-w-0 grow", !isFlush && "p-pad")}>{children}</div>
    </section>
  );
}

/** The top of a screen: what it is, and what can be done with all of it. */
export function PageHeader({ title, description, actions }: {
  title: ReactNode;
  description?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <header className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
      <div className="min-w-0 grow">
        <h1 className="truncate text-xl font-semibold tracking-tight">{title}</h1>
        {description !== undefined && <p className="text-sm text-ink-soft">{description}</p>}
      </div>
      {actions !== undefined && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
    </header>
  );
}

/** Facts by name: two columns that become one where there is no room. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[minmax(8rem,auto)_1fr] gap-x-4 gap-y-1.5 text-sm">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-ink-soft">{name}</dt>
          <dd className="figures min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
