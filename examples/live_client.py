"""Follow one device's values on the live socket, over any number of cuts. Usage: live_client.py URL USER DEVICE [COUNT]."""

import json
import os
import random
import sys
import time

import httpx
from websockets import ConnectionClosed
from websockets.sync.client import connect

url, user, device, count = (*sys.argv[1:], "0")[:4]
credentials = {"username": user, "password": os.environ["PULSE_PASSWORD"]}
want = {"type": "subscribe", "id": 2, "sub": "mine", "topic": "telemetry.latest", "filter": {"device_ids": [device]}}
printed, delay = [], 0.5


def apply(frame):
    for _, metric, ts, value, *_ in frame.get("rows", []):
        print(ts, metric, value)
        printed.append(ts)
    if frame.get("sub") == "mine" and frame.get("offset"):  # only now: its rows were applied
        want["since"] = {"epoch": frame.get("epoch") or want["since"]["epoch"], "offset": frame["offset"]}
    if 0 < int(count) <= len(printed):
        raise SystemExit


while True:
    try:
        token = httpx.post(f"{url}/api/auth/login", json=credentials).raise_for_status().json()["access_token"]
        auth = {"type": "auth", "id": 1, "token": token, "client": {"name": "live_client.py", "version": "1"}}
        with connect(f"ws{url[4:]}/ws/live", subprotocols=["precisionpulse.v1"]) as socket:
            socket.send(json.dumps([auth, want]))
            for message in socket:
                frames, delay = json.loads(message), 0.5
                for frame in frames if isinstance(frames, list) else [frames]:
                    apply(frame)
    except (OSError, httpx.HTTPError, ConnectionClosed) as cut:
        if isinstance(cut, ConnectionClosed) and cut.rcvd and 4000 <= cut.rcvd.code < 4100:
            raise SystemExit(f"the server says stop: {cut}") from None
    time.sleep(random.uniform(0, delay))
    delay = min(15, delay * 2)
