/* Receives a number of QoS 1 messages as one MQTT 5 client and prints how long that took.
 *
 * usage: subscriber HOST PORT CLIENT_ID USERNAME PASSWORD FILTER MESSAGES DURABLE
 * Prints {"received","seconds"}: from the first message to the last. With DURABLE 1 the broker keeps its session: with
 * MESSAGES 0 it subscribes and leaves, and receives later what the broker queued meanwhile.
 */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long wanted, received, subscribed;
static double first_s, last_s;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_message(struct mosquitto *mosq, void *self, const struct mosquitto_message *m, const mosquitto_property *p) {
    (void)mosq; (void)self; (void)m; (void)p;
    last_s = now_s();
    if (received++ == 0) first_s = last_s;
}

static void on_subscribe(struct mosquitto *mosq, void *self, int mid, int n, const int *granted, const mosquitto_property *p) {
    (void)mosq; (void)self; (void)mid; (void)n; (void)p;
    subscribed = 1;
    if (granted[0] >= 128) { fprintf(stderr, "the subscription was refused\n"); exit(1); }
}

static void on_connect(struct mosquitto *mosq, void *filter, int rc, int flags, const mosquitto_property *p) {
    (void)flags; (void)p;
    if (rc) { fprintf(stderr, "the connection was refused: %d\n", rc); exit(1); }
    mosquitto_subscribe(mosq, NULL, filter, 1);
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: subscriber HOST PORT CLIENT_ID USERNAME PASSWORD FILTER MESSAGES DURABLE\n");
        return 2;
    }
    wanted = atol(argv[7]);
    int is_durable = atoi(argv[8]);
    mosquitto_lib_init();
    struct mosquitto *mosq = mosquitto_new(argv[3], !is_durable, argv[6]);
    mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(mosq, MOSQ_OPT_RECEIVE_MAXIMUM, 500);
    mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_username_pw_set(mosq, argv[4], argv[5]);
    mosquitto_connect_v5_callback_set(mosq, on_connect);
    mosquitto_subscribe_v5_callback_set(mosq, on_subscribe);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_property *properties = NULL;
    if (is_durable) mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 3600);
    if (mosquitto_connect_bind_v5(mosq, argv[1], atoi(argv[2]), 60, NULL, properties) != MOSQ_ERR_SUCCESS) { fprintf(stderr, "cannot connect\n"); return 1; }
    double idle_since = now_s();
    long before = 0;
    while (received < wanted || !subscribed) {
        if (mosquitto_loop(mosq, 100, 1) != MOSQ_ERR_SUCCESS) { fprintf(stderr, "the connection was lost\n"); return 1; }
        if (received != before) { before = received; idle_since = now_s(); }
        else if (now_s() - idle_since > 60) { fprintf(stderr, "no message for 60 s\n"); return 1; }
    }
    printf("{\"received\":%ld,\"seconds\":%.6f}\n", received, last_s - first_s);
    mosquitto_disconnect(mosq);
    mosquitto_destroy(mosq);
    mosquitto_lib_cleanup();
    return 0;
}
