"""The delivery protocol in one page: an outbox on disk, hello, runs, and acks that alone delete.

Usage: delivery_client.py DEVICE_ID HOST PORT VALUE [VALUE…]. The API key is in PULSE_KEY. It adds the values to
`DEVICE_ID.db`, sends everything that is in there, and ends when the server has committed all of it.
"""

import itertools
import json
import os
import queue
import sqlite3
import sys
import time
import uuid

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

device_id, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
instance = uuid.uuid4().hex
hello_ids = itertools.count(1)

# 1. Outbox first. AUTOINCREMENT, so that a number is never used twice, not even after everything was deleted.
outbox = sqlite3.connect(f"{device_id}.db", isolation_level=None)
outbox.executescript(
    """PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE IF NOT EXISTS reading (seq INTEGER PRIMARY KEY AUTOINCREMENT, recorded_at_us INTEGER, metrics TEXT);
    CREATE TABLE IF NOT EXISTS about (epoch INTEGER);"""
)
for value in sys.argv[4:]:
    metrics = json.dumps({"pressure": float(value)})
    outbox.execute("INSERT INTO reading (recorded_at_us, metrics) VALUES (?, ?)", (time.time_ns() // 1000, metrics))

said_down: queue.Queue[dict] = queue.Queue(maxsize=1000)
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id, protocol=mqtt.MQTTv5)
client.username_pw_set(device_id, os.environ["PULSE_KEY"])
client.on_message = lambda *arguments: said_down.put(json.loads(arguments[-1].payload))
client.on_connect = lambda *_: client.subscribe(f"ack/{device_id}", qos=1)
client.on_subscribe = lambda *_: said_down.put({"type": "subscribed"})
client.connect(host, port, clean_start=True, properties=Properties(PacketTypes.CONNECT))
client.loop_start()


def first_number(sql: str, otherwise: int) -> int:
    """Return the first column of the first row, or something else where there is none."""
    row = outbox.execute(sql).fetchone()
    return otherwise if row is None or row[0] is None else row[0]


def say_hello() -> int:
    """Say what the outbox holds, and under which epoch; return the id that the server's welcome will have."""
    hello_id = next(hello_ids)
    following = first_number("SELECT seq FROM sqlite_sequence WHERE name = 'reading'", 0) + 1
    hello = {
        "type": "hello", "v": 1, "client_id": device_id, "epoch": first_number("SELECT epoch FROM about", 0),
        "next": following, "oldest_unacked": first_number("SELECT min(seq) FROM reading", following),
        "count": first_number("SELECT count(*) FROM reading", 0), "instance": instance, "version": "1",
        "id": hello_id,
    }  # fmt: skip
    client.publish(f"heartbeat/{device_id}", json.dumps(hello), qos=1)
    return hello_id


def send_oldest_run() -> None:
    """Send one contiguous run, oldest first. It stays in the outbox: a PUBACK is not an ack."""
    rows = outbox.execute("SELECT seq, recorded_at_us, metrics FROM reading ORDER BY seq LIMIT 500").fetchall()
    run = [row for place, row in enumerate(rows) if row[0] == rows[0][0] + place]
    payload = {"v": 1, "epoch": first_number("SELECT epoch FROM about", 0), "first": run[0][0],
               "rows": [[at, json.loads(metrics)] for _, at, metrics in run]}  # fmt: skip
    client.publish(f"telemetry/{device_id}/buffer", json.dumps(payload), qos=1)


def settle(down: dict) -> None:
    """Delete what the database has; what it refused goes too, after it was shown."""
    for first, last in [[1, down["cum"]], *down.get("ok", []), *down.get("received", [])]:
        outbox.execute("DELETE FROM reading WHERE seq BETWEEN ? AND ?", (first, last))
    for sequence, code, detail in down.get("rej", []):
        print("refused", sequence, code, detail)
        outbox.execute("DELETE FROM reading WHERE seq = ?", (sequence,))


asked = 0
while True:
    try:
        down = said_down.get(timeout=5)  # No ack for so long: hello again, and the welcome says what is missing.
    except queue.Empty:
        down = {"type": "subscribed"}
    if down.get("type") == "subscribed" or down.get("unknown_epoch"):
        asked = say_hello()
        continue
    if down.get("type") == "welcome":
        if down["id"] != asked:  # It answers an earlier hello; send nothing before the newest is answered.
            continue
        outbox.execute("DELETE FROM about")
        outbox.execute("INSERT INTO about VALUES (?)", (down["epoch"],))
    settle(down)
    if not first_number("SELECT count(*) FROM reading", 0):
        break
    send_oldest_run()
print("committed up to", down["cum"])
client.disconnect()
client.loop_stop()
