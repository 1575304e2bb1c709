/** What state topics hold; the socket's schema calls these objects, the services' stream models give their fields. */

export interface Completeness {
  readonly epoch: number;
  readonly cum: number;
  readonly highest: number;
  readonly received: number;
  readonly missing: number;
  readonly lost: number;
}

/** `devices`, by device id. */
export interface LiveDevice {
  readonly name: string;
  readonly owner_id: string | null;
  readonly is_active: boolean;
  readonly kind: string;
  readonly groups: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly status: "ONLINE" | "OFFLINE";
  readonly since: number | null;
  readonly last_seen: number | null;
  readonly buffered: number | null;
  readonly clock_offset_ms: number | null;
  readonly agent_version: string | null;
  readonly reason: string | null;
  readonly completeness: Completeness | null;
}

/** `system`, under the one key `summary`. */
export interface SystemSummary {
  readonly active_devices: number;
  readonly devices: number;
  readonly offline_devices: number;
  readonly buffered_records: number;
  readonly last_seen: number | null;
  readonly last_sync: number | null;
  readonly system_status: "ok" | "degraded";
  readonly active_alerts?: number | null;
  readonly storage?: { readonly state: string; readonly used_share: number | null; readonly days_left: number | null } | null;
  readonly parts: Readonly<Record<string, { readonly ok: boolean; readonly detail: string | null }>>;
}

/** `sync`, by device id. */
export interface DesktopSync {
  readonly cursor: number;
  readonly head: number;
  readonly lag: number;
  readonly pending: number;
  readonly conflicts: number;
  readonly last_sync_at: number | null;
  readonly config_lag: number;
  readonly error: string | null;
}

/** `config`, by `scope/target/key`, with nothing between the slashes for all. */
export interface ConfigEntry {
  readonly scope: "all" | "group" | "device";
  readonly target: string;
  readonly key: string;
  readonly value: unknown;
  readonly version: number;
  readonly updated_at: number;
  readonly updated_by: string | null;
  readonly source: "web" | "desktop";
}

/** An item's `data` on `alerts`. */
export interface AlarmStep {
  readonly kind: "raised" | "acknowledged" | "commented" | "shelved" | "unshelved" | "cleared";
  readonly alarm_id: string;
  readonly rule_id: string;
  readonly rule_name: string;
  readonly device_id: string;
  readonly metric: string | null;
  readonly severity: "info" | "warning" | "critical";
  readonly state: "active" | "acknowledged" | "cleared";
  readonly message: string;
  readonly value: number | boolean | string | null;
  readonly raised_at: number;
  readonly acknowledged_at: number | null;
  readonly cleared_at: number | null;
  readonly shelved_until: number | null;
  readonly is_late: boolean;
  readonly actor_name: string | null;
  readonly comment: string | null;
}

/** An item's `data` on `commands`. */
export interface CommandStep {
  readonly command_id: string;
  readonly batch_id: string | null;
  readonly device_id: string;
  readonly name: string;
  readonly state: string;
  readonly progress: number | null;
  readonly message: string | null;
  readonly error_code: string | null;
  readonly actor_id: string | null;
  readonly actor_name: string | null;
}
