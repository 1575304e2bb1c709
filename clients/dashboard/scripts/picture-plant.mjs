/**
 * A small plant to look at, made through the product's own API before a fresh stack with at least six simulated devices:
 * names and groups, some past, rules and alarms, people and roles, configuration, commands, a workstation and an edit that met another.
 */
import { Agent } from "../tests/browser/agent.mjs";
import { ADMIN, api, until } from "../tests/browser/stage.mjs";

const MINUTE = 60_000;
const PAST_MINUTES = 40;
const PATIENCE_MS = 240_000;
const ANY = { "If-Match": "*" };
const PASSWORD = "seven quiet lanterns 41";
const NAMES = [
  ["Pump 1", "pump house"], ["Pump 2", "pump house"], ["Pump 3", "pump house"], ["Boiler 1", "boiler house"], ["Boiler 2", "boiler house"], ["Chiller", "roof"],
];
const DESKS = ["control-room", "laboratory"];

async function nameDevices() {
  let ids = [];
  await until(async () => {
    const { items } = await api("GET", "/api/devices?limit=100");
    ids = items.map(({ id }) => id).sort();
    return ids.length >= NAMES.length;
  }, "six devices are registered", PATIENCE_MS);
  for (const [index, [name, group]] of NAMES.entries()) await api("PATCH", `/api/devices/${ids[index]}`, { name, groups: [group] }, ANY);
  return ids;
}

/** Forty minutes in which the pumps ran, with three in which nobody heard the second one. */
async function fillPast(ids) {
  const now = Date.now();
  for (const [index, id] of ids.slice(0, 4).entries()) {
    const readings = [];
    for (let at = now - PAST_MINUTES * MINUTE; at < now - MINUTE; at += 2_000) {
      const isAway = index === 1 && at > now - 12 * MINUTE && at < now - 9 * MINUTE;
      if (isAway) continue;
      const angle = at / (9 * MINUTE) + index;
      const wobble = Math.sin(at / 37_000) * 0.4;
      readings.push({
        client_id: id,
        timestamp: new Date(at).toISOString(),
        metrics: { temperature: Number((22 + index + 4 * Math.sin(angle) + wobble).toFixed(2)), humidity: Number((55 - 7 * Math.sin(angle) + wobble).toFixed(1)) },
      });
    }
    for (let from = 0; from < readings.length; from += 200) await api("POST", "/api/telemetry", readings.slice(from, from + 200));
  }
}

async function makePeople() {
  await api("POST", "/api/roles", { name: "Night shift", description: "Watches the halls, and acknowledges", permissions: ["devices:read", "telemetry:read", "alerts:read", "alerts:acknowledge", "system:read"] });
  const people = [["anna", "operator"], ["ben", "viewer"], ["carla", "Night shift"], ["dora", "viewer"], ["emil", "operator"]];
  for (const [username, role] of people) await api("POST", "/api/users", { username, password: PASSWORD, email: `${username}@example.org`, roles: [role] });
  const { items } = await api("GET", "/api/users?q=emil");
  await api("PUT", `/api/users/${items[0].id}/toggle-status`, undefined, ANY);
}

async function makeAlarms(ids) {
  const warm = { operator: ">", value: 21, clear_value: 20 };
  const rules = [
    { name: "Running warm", metric: "temperature", unit: "°C", severity: "warning", groups: ["pump house"], condition: { kind: "threshold", test: warm } },
    { name: "Too hot", metric: "temperature", unit: "°C", severity: "critical", groups: ["boiler house"], condition: { kind: "duration", for_seconds: 2, test: warm } },
    { name: "Dry air", metric: "humidity", unit: "%", severity: "info", groups: ["roof"], condition: { kind: "threshold", test: { operator: "<", value: 60 } } },
    { name: "Gone quiet", severity: "critical", message: "{device_name} has sent nothing for a minute", condition: { kind: "no_data", for_seconds: 60 } },
  ];
  for (const rule of rules) {
    const message = rule.message ?? "{device_name}: {metric} is {value} {unit}";
    await api("POST", "/api/alert-rules", { ...rule, message });
  }
  await api("POST", "/api/alert-channels", {
    kind: "email", name: "Night shift", recipients: ["night@example.org"], time_zone: "Europe/Berlin", quiet_hours: { start: "22:00", end: "06:30" },
    filter: { severities: ["critical"] }, gather_seconds: 30, rate_limit: { messages: 20, seconds: 3600 },
  });
  await until(async () => (await api("GET", "/api/alerts?limit=50")).items.length >= 3, "three alarms are raised", PATIENCE_MS);
  const { items } = await api("GET", "/api/alerts?limit=50");
  await api("POST", `/api/alerts/${items.at(-1).id}/acknowledge`, { comment: "On my way, the spare fan is in the store." });
  return ids;
}

async function makeWork(ids) {
  const value = (v) => ({ value: v });
  await api("POST", "/api/config/keys", { key: "custom.shift", spec: { type: "text", description: "Who is told first", choices: ["early", "late", "night"], default: "early" } });
  await api("PUT", "/api/config/all/-/telemetry.interval_ms", value(1000));
  await api("PUT", `/api/config/device/${DESKS[1]}/telemetry.interval_ms`, value(2000));
  await api("PUT", "/api/config/all/-/custom.shift", value("night"));
  await api("POST", "/api/commands", { name: "PING", device_ids: DESKS });
  await api("POST", "/api/commands", { name: "CHANGE_INTERVAL", args: { interval_ms: 500 }, device_ids: [DESKS[0]] });
  await api("POST", "/api/commands", { name: "FORCE_SYNC", device_ids: [DESKS[1]] });
  await api("POST", "/api/commands", { name: "RELOAD", device_ids: [ids[0]] });
  await api("POST", "/api/report-schedules", {
    name: "Health of the plant, weekly", kind: "device-health", every: "week", weekday: 1, at: "07:00", tz: "Europe/Berlin", attached_as: "html", receivers: ["night@example.org"],
  });
  const now = Date.now();
  await api("POST", "/api/telemetry/exports", {
    device_id: ids.slice(0, 3), format: "csv", from: new Date(now - PAST_MINUTES * MINUTE).toISOString(), to: new Date(now).toISOString(),
  });
}

async function makeConflict(agent) {
  const signed = ["--user", ADMIN.username, "--password-stdin"];
  const given = `${ADMIN.password}\n`;
  const [{ id }] = (await api("GET", "/api/users?q=dora")).items;
  // A workstation holds the people that it is shared with.
  await api("POST", `/api/devices/${agent.deviceId}/shares`, { user: "dora", level: "read" });
  await until(async () => (await agent.say(["users", "show", "dora", ...signed], given)).code === 0, "the workstation knows dora", PATIENCE_MS);
  await agent.stop();
  await agent.say(["users", "edit", "dora", "--email", "dora.k@example.org", ...signed], given);
  await api("PATCH", `/api/users/${id}`, { email: "d.keller@example.org" }, ANY);
  await agent.start();
  await until(async () => (await api("GET", "/api/sync/conflicts")).items.length > 0, "the two edits met", PATIENCE_MS);
}

function board(ids) {
  const source = (index, metric) => ({ device_id: ids[index], metric });
  const line = (index, metric) => ({ ...source(index, metric), label: NAMES[index][0], color: index, axis: "left" });
  const gauge = (id, index, title, metric, unit, low, high) => ({ id, kind: "gauge", title, source: source(index, metric), unit, low, high, shape: "arc" });
  return {
    name: "Pump house",
    is_default: true,
    widgets: [
      { id: "figures", kind: "kpi", figures: ["active_devices", "buffered_records", "system_status", "last_sync"] },
      { id: "heat", kind: "chart", title: "Temperature, pumps", series: [0, 1, 2].map((index) => line(index, "temperature")), window_seconds: 300, has_legend: true },
      { id: "damp", kind: "chart", title: "Humidity, boilers", series: [3, 4].map((index) => line(index, "humidity")), window_seconds: 300, has_legend: true },
      gauge("g1", 0, "Pump 1", "temperature", "°C", 0, 40),
      gauge("g2", 3, "Boiler 1", "temperature", "°C", 0, 40),
      gauge("g3", 5, "Roof, humidity", "humidity", "%", 0, 100),
      { id: "i1", kind: "indicator", title: "Valve of pump 1", source: source(0, "is_open"), on_label: "open", off_label: "closed" },
      { id: "v1", kind: "value", title: "Pieces, pump 2", source: source(1, "produced"), has_sparkline: true },
      { id: "alerts", kind: "alerts", title: "Latest alarms", limit: 6 },
      { id: "devices", kind: "devices", title: "Devices", limit: 8 },
    ],
    layouts: {
      lg: [
        { i: "figures", x: 0, y: 0, w: 24, h: 2 }, { i: "heat", x: 0, y: 2, w: 12, h: 4 }, { i: "damp", x: 12, y: 2, w: 12, h: 4 },
        { i: "g1", x: 0, y: 6, w: 5, h: 3 }, { i: "g2", x: 5, y: 6, w: 5, h: 3 }, { i: "g3", x: 10, y: 6, w: 5, h: 3 },
        { i: "i1", x: 15, y: 6, w: 4, h: 3 }, { i: "v1", x: 19, y: 6, w: 5, h: 3 },
        { i: "alerts", x: 0, y: 9, w: 12, h: 4 }, { i: "devices", x: 12, y: 9, w: 12, h: 4 },
      ],
    },
  };
}

/** Set the stage; returns a device with a past, a workstation, and what puts the agents away again. */
export async function stagePlant() {
  const ids = await nameDevices();
  const agents = [];
  for (const desk of DESKS) {
    const agent = await Agent.enrol(desk);
    await agent.start();
    agents.push(agent);
  }
  const say = (what) => { console.log(what); };
  await fillPast(ids);
  say("past");
  await makePeople();
  say("people");
  await makeWork(ids);
  say("work");
  await makeAlarms(ids);
  say("alarms");
  await makeConflict(agents[0]);
  say("conflict");
  await api("POST", "/api/dashboards", board(ids));
  return {
    device: ids[0],
    desk: DESKS[0],
    dispose: async () => {
      for (const agent of agents) await agent.dispose();
    },
  };
}
