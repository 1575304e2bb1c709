// A reading every five seconds from an ESP32 to PrecisionPulse, at QoS 1 over TLS. What the broker has not confirmed stays in
// memory, with its own time, and goes out oldest first when the line is back.
#include <MQTT.h>  // "MQTT" by Joël Gähwiler
#include <WiFi.h>
#include <WiFiClientSecure.h>
#include <time.h>

const char WIFI_NAME[] = "your network";
const char WIFI_PASSWORD[] = "its password";
const char BROKER[] = "pulse.example.org";
const int PORT = 8883;
const char DEVICE_ID[] = "kiln-7";
const char API_KEY[] = "ppk_…";
const char CA[] = R"(-----BEGIN CERTIFICATE-----
…the contents of deploy/docker/secrets/broker_ca…
-----END CERTIFICATE-----
)";

struct Reading {
  time_t at;
  float temperature;
};

const int ROOM = 120;  // ten minutes of readings; when it is full, the oldest goes
const unsigned long EVERY_MS = 5000;
const time_t CLOCK_IS_SET = 1700000000;

Reading waiting[ROOM];
int oldest = 0;
int count = 0;
unsigned long measured_ms = 0;
unsigned long tried_ms = 0;
unsigned long pause_ms = 0;
char topic[64];

WiFiClientSecure net;
MQTTClient mqtt(512);

float measure() {
  return temperatureRead();  // the chip's own sensor; read yours here
}

void keep(Reading reading) {
  if (count == ROOM) {
    oldest = (oldest + 1) % ROOM;
    count--;
  }
  waiting[(oldest + count) % ROOM] = reading;
  count++;
}

bool sendOldest() {
  char payload[128];
  Reading reading = waiting[oldest];
  struct tm utc;
  gmtime_r(&reading.at, &utc);
  char at[24];
  strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &utc);
  snprintf(payload, sizeof(payload), "{\"telemetry\":{\"temperature\":%.2f},\"timestamp\":\"%s\"}", reading.temperature, at);
  return mqtt.publish(topic, payload, false, 1);  // true only after the broker's confirmation
}

void connectAgain() {
  if (WiFi.status() != WL_CONNECTED || millis() - tried_ms < pause_ms) {
    return;
  }
  tried_ms = millis();
  pause_ms = 2000UL + random(3000);  // so that a hall full of devices does not come back at once
  mqtt.connect(DEVICE_ID, DEVICE_ID, API_KEY);
}

void setup() {
  Serial.begin(115200);
  snprintf(topic, sizeof(topic), "app/device/%s/telemetry", DEVICE_ID);
  WiFi.setAutoReconnect(true);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  configTime(0, 0, "pool.ntp.org");
  net.setCACert(CA);
  mqtt.begin(BROKER, PORT, net);
}

void loop() {
  if (!mqtt.connected()) {
    connectAgain();
  }
  mqtt.loop();
  // TLS and the readings' times both need a clock; it is set within seconds of the first connection.
  if (time(nullptr) > CLOCK_IS_SET && millis() - measured_ms >= EVERY_MS) {
    measured_ms = millis();
    keep({time(nullptr), measure()});
  }
  if (count > 0 && mqtt.connected() && sendOldest()) {
    oldest = (oldest + 1) % ROOM;
    count--;
  }
  delay(10);
}
