/** Everything that a role can allow; `libs/contracts` says it, and a test compares. */
export const PERMISSIONS = [
  "users:read",
  "users:write",
  "roles:read",
  "roles:write",
  "devices:read",
  "devices:write",
  "devices:all",
  "telemetry:read",
  "telemetry:write",
  "commands:read",
  "commands:send",
  "config:read",
  "config:write",
  "sync:read",
  "sync:resolve",
  "alerts:read",
  "alerts:acknowledge",
  "alert_rules:write",
  "audit:read",
  "reports:read",
  "system:read",
] as const;

export type Permission = (typeof PERMISSIONS)[number];
