"""A simple device in plain MQTT, as an ESP32 would be. Usage: device.py DEVICE_ID HOST PORT TEMPERATURE [TEMPERATURE…].

The API key is in PULSE_KEY. Each temperature is one reading; a second lies between two of them.
"""

import json
import os
import sys
import time

import paho.mqtt.client as mqtt

device_id, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device_id)
client.username_pw_set(device_id, os.environ["PULSE_KEY"])
client.connect(host, port)
client.loop_start()
for temperature in sys.argv[4:]:
    payload = json.dumps({"telemetry": {"temperature": float(temperature)}})
    sent = client.publish(f"app/device/{device_id}/telemetry", payload, qos=1)
    sent.wait_for_publish(30)
    if not sent.is_published():
        raise SystemExit("the broker did not confirm the reading")
    print("sent", temperature, flush=True)
    time.sleep(1)
client.disconnect()
client.loop_stop()
