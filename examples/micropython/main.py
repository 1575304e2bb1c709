"""A reading every five seconds from a MicroPython board to PrecisionPulse, at QoS 1 over TLS.

What the broker has not confirmed stays in memory, with its own time, and goes out oldest first when the line is back.
A connection that dies without a word would be waited for without end; the watchdog restarts the board then.
"""

import json
import ssl
import time

import esp32
import machine
import network
import ntptime
from umqtt.simple import MQTTClient

WIFI = ("your network", "its password")
BROKER = "pulse.example.org"
DEVICE_ID = "kiln-7"
API_KEY = "ppk_..."
TOPIC = "app/device/{}/telemetry".format(DEVICE_ID)
ROOM = 120  # ten minutes of readings; when it is full, the oldest goes
EVERY_MS = 5000

waiting = []


def now():
    """Return the time as ISO 8601, in UTC."""
    return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*time.gmtime()[:6])


def measure():
    """Read the chip's own sensor (not on the first ESP32, which has none); read yours here."""
    return esp32.mcu_temperature()


def connect():
    """Connect to the network and the broker; raises OSError when that fails."""
    station = network.WLAN(network.STA_IF)
    station.active(True)
    if not station.isconnected():
        station.connect(*WIFI)
        deadline = time.ticks_add(time.ticks_ms(), 15000)
        while not station.isconnected():
            if time.ticks_diff(deadline, time.ticks_ms()) < 0:
                raise OSError("no network")
            time.sleep_ms(100)
    if time.gmtime()[0] < 2024:
        ntptime.settime()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with open("ca.der", "rb") as file:
        context.load_verify_locations(cadata=file.read())
    client = MQTTClient(DEVICE_ID, BROKER, 8883, DEVICE_ID, API_KEY, keepalive=60, ssl=context)
    client.connect(timeout=10)
    return client


def keep():
    """Keep a reading until it is confirmed."""
    if len(waiting) == ROOM:
        waiting.pop(0)
    waiting.append(json.dumps({"telemetry": {"temperature": measure()}, "timestamp": now()}))


def main():
    """Measure, keep, send; on a cut go on measuring, and try again."""
    client, measured, tried = None, time.ticks_ms(), None
    watchdog = machine.WDT(timeout=120000)
    while True:
        watchdog.feed()
        if client is None and (tried is None or time.ticks_diff(time.ticks_ms(), tried) > 5000):
            try:
                client = connect()
            except OSError as error:
                print("no connection:", error)
            tried = time.ticks_ms()
        if time.gmtime()[0] >= 2024 and time.ticks_diff(time.ticks_ms(), measured) >= EVERY_MS:
            measured = time.ticks_ms()
            keep()
        if client is not None and waiting:
            try:
                client.publish(TOPIC, waiting[0], qos=1)  # returns once it is confirmed
                waiting.pop(0)
            except OSError as error:
                print("cut:", error)
                client = None
        time.sleep_ms(50)


main()
