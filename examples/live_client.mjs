// Follow one device's values on the live socket, over any number of cuts. Usage: live_client.mjs URL USER DEVICE [COUNT].
// The same code runs in a browser; Node 20 wants --experimental-websocket. The password is in PULSE_PASSWORD.
const [url, username, device, count = 0] = process.argv.slice(2);
let since, delay = 500, seen = 0;

async function accessToken() {
  const body = JSON.stringify({ username, password: process.env.PULSE_PASSWORD });
  const answer = await fetch(`${url}/api/auth/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  if (!answer.ok) throw new Error(`sign-in: ${answer.status} ${(await answer.json()).detail}`);
  return (await answer.json()).access_token;
}

function apply(frame) {
  for (const [, metric, ts, value] of frame.rows ?? []) {
    console.log(ts, metric, value);
    seen += 1;
  }
  if (frame.sub === "mine" && frame.offset) { // only after its rows were applied
    since = { epoch: frame.epoch ?? since.epoch, offset: frame.offset };
    delay = 500;
  }
  if (count > 0 && seen >= count) process.exit(0);
}

async function connect() {
  const token = await accessToken();
  const socket = new WebSocket(url.replace(/^http/, "ws") + "/ws/live", "precisionpulse.v1");
  const send = (frame) => socket.send(JSON.stringify(frame));
  socket.onopen = () => {
    send({ type: "auth", id: 1, token, client: { name: "live_client.mjs", version: "1" } });
    send({ type: "subscribe", id: 2, sub: "mine", topic: "telemetry.latest", filter: { device_ids: [device] }, since });
  };
  socket.onmessage = ({ data }) => [JSON.parse(data)].flat().forEach(apply);
  socket.onclose = ({ code, reason }) => code >= 4000 && code < 4100 ? stop(`${code} ${reason}`) : again();
}

const stop = (why) => { console.error(`the server says stop: ${why}`); process.exit(1); };
const again = () => { setTimeout(() => connect().catch(again), Math.random() * delay); delay = Math.min(15000, delay * 2); };
connect().catch(again);
