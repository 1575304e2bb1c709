/* Publishes readings as many MQTT 5 clients from one thread, at QoS 1, and counts the PUBACKs.
 *
 * usage: publisher HOST PORT ACCOUNTS MESSAGES WINDOW UNCOMMITTED ROWS METRICS STEP_US RATE
 * ACCOUNTS has a line "client_id password epoch first" for each client; each publishes MESSAGES runs of ROWS readings with
 * METRICS (1 to 3) metrics from sequence `first` on, never more than WINDOW without a PUBACK. With STEP_US above 0 a client's
 * readings lie that far apart and end now, as a backlog does; with 0 they are of now. With RATE above 0 all clients together
 * publish so many messages a second, in turn. With UNCOMMITTED above 0 each also listens to its ack topic, as a client with
 * an outbox does, keeps at most that many readings uncommitted, and ends when all are committed.
 * Clients connect one after the other; it prints "connected N" on the way and when all are, and publishes from a line of its
 * stdin on, so that several of these can begin together. Its last line is {"sent","acked","refused","committed","seconds"}:
 * sent, acked and refused are messages, committed is readings.
 */
#include <errno.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Longer than any run: nobody pings in the loop below. */
#define KEEPALIVE_S 3600
/* How often it says how many clients are connected. */
#define TOLD_EACH 100
/* With a rate it rests between two looks at all clients, as long for few as for many: a look at 5,000 takes 2 ms. */
#define REST_NS 10000000

struct client {
    struct mosquitto *mosq;
    char id[65], password[257], topic[128];
    long epoch, first, sent, acked, refused, committed;
    int connected;
};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long long unix_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void on_connect(struct mosquitto *mosq, void *self, int rc, int flags, const mosquitto_property *props) {
    (void)mosq; (void)flags; (void)props;
    ((struct client *)self)->connected = rc == 0 ? 1 : -rc;
}

static void on_publish(struct mosquitto *mosq, void *self, int mid, int reason, const mosquitto_property *props) {
    struct client *c = self;
    (void)mosq; (void)mid; (void)props;
    c->acked++;
    if (reason >= 128) c->refused++;
}

/* The ack's `cum`: everything up to it is committed. */
static void on_message(struct mosquitto *mosq, void *self, const struct mosquitto_message *m, const mosquitto_property *p) {
    struct client *c = self;
    char text[128];
    (void)mosq; (void)p;
    snprintf(text, sizeof text, "%.*s", m->payloadlen, (const char *)m->payload);
    const char *cum = strstr(text, "\"cum\":");
    if (cum && atol(cum + 6) - c->first + 1 > c->committed) c->committed = atol(cum + 6) - c->first + 1;
}

static char *payload;

/* A run of `rows` readings; `oldest` is when the client's first reading was made if they lie `step` apart. */
static int publish(struct client *c, long rows, long metrics, long long oldest, long step) {
    int n = sprintf(payload, "{\"v\":1,\"epoch\":%ld,\"first\":%ld,\"rows\":[", c->epoch, c->first + c->sent * rows);
    for (long i = 0; i < rows; i++) {
        long seq = c->first + c->sent * rows + i;
        long long at = step ? oldest + (seq - c->first) * step : unix_us();
        n += sprintf(payload + n, "%s[%lld,{\"temperature\":%.2f", i ? "," : "", at, 20.0 + (double)(seq % 977) / 100);
        if (metrics > 1) n += sprintf(payload + n, ",\"pressure\":%.1f", 101.0 + (double)(seq % 31) / 10);
        if (metrics > 2) n += sprintf(payload + n, ",\"is_active\":%s", seq % 2 ? "true" : "false");
        n += sprintf(payload + n, "}]");
    }
    n += sprintf(payload + n, "]}");
    int rc = mosquitto_publish_v5(c->mosq, NULL, c->topic, n, payload, 1, false, NULL);
    if (rc == MOSQ_ERR_SUCCESS) c->sent++;
    return rc;
}

int main(int argc, char **argv) {
    if (argc != 11) {
        fprintf(stderr, "usage: publisher HOST PORT ACCOUNTS MESSAGES WINDOW UNCOMMITTED ROWS METRICS STEP_US RATE\n");
        return 2;
    }
    long messages = atol(argv[4]), window = atol(argv[5]), uncommitted = atol(argv[6]);
    long rows = atol(argv[7]), metrics = atol(argv[8]), step = atol(argv[9]), rate = atol(argv[10]);
    payload = malloc(128 + (size_t)rows * 96);
    FILE *accounts = fopen(argv[3], "r");
    if (!accounts) { perror(argv[3]); return 2; }
    size_t capacity = 16, count = 0;
    struct client *clients = calloc(capacity, sizeof *clients);
    struct client c;
    memset(&c, 0, sizeof c);
    while (fscanf(accounts, "%64s %256s %ld %ld", c.id, c.password, &c.epoch, &c.first) == 4) {
        if (count == capacity) clients = realloc(clients, (capacity *= 2) * sizeof *clients);
        clients[count++] = c;
    }
    fclose(accounts);
    mosquitto_lib_init();
    struct pollfd *fds = calloc(count, sizeof *fds);
    for (size_t i = 0; i < count; i++) {
        struct client *k = &clients[i];
        snprintf(k->topic, sizeof k->topic, "telemetry/%s/buffer", k->id);
        k->mosq = mosquitto_new(k->id, true, k);
        mosquitto_int_option(k->mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
        mosquitto_int_option(k->mosq, MOSQ_OPT_SEND_MAXIMUM, (int)window);
        mosquitto_int_option(k->mosq, MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_username_pw_set(k->mosq, k->id, k->password);
        mosquitto_connect_v5_callback_set(k->mosq, on_connect);
        mosquitto_publish_v5_callback_set(k->mosq, on_publish);
        mosquitto_message_v5_callback_set(k->mosq, on_message);
        if (mosquitto_connect(k->mosq, argv[1], atoi(argv[2]), KEEPALIVE_S) != MOSQ_ERR_SUCCESS) {
            fprintf(stderr, "%s cannot connect: %s\n", k->id, strerror(errno));
            return 1;
        }
        int rc = MOSQ_ERR_SUCCESS;
        /* Not mosquitto_loop: that one selects, which ends at 1,024 files. */
        while (!k->connected && rc == MOSQ_ERR_SUCCESS) {
            struct pollfd line = {mosquitto_socket(k->mosq), POLLIN | (mosquitto_want_write(k->mosq) ? POLLOUT : 0), 0};
            if (poll(&line, 1, 10000) <= 0) break;
            if (line.revents & POLLOUT) rc = mosquitto_loop_write(k->mosq, 1);
            if (rc == MOSQ_ERR_SUCCESS && line.revents & ~POLLOUT) rc = mosquitto_loop_read(k->mosq, 1);
        }
        if (k->connected != 1) {
            fprintf(stderr, "%s was refused: reason %d, %s\n", k->id, -k->connected, mosquitto_strerror(rc));
            return 1;
        }
        if (uncommitted) {
            char topic[80];
            snprintf(topic, sizeof topic, "ack/%s", k->id);
            mosquitto_subscribe(k->mosq, NULL, topic, 1);
        }
        if ((i + 1) % TOLD_EACH == 0 || i + 1 == count) {
            printf("connected %zu\n", i + 1);
            fflush(stdout);
        }
    }
    if (getchar() == EOF) return 1;
    double start = now_s(), last_progress = start;
    long total = messages * (long)count * (uncommitted ? rows : 1), done = 0, before = 0;
    long long oldest = unix_us() - (long long)(messages * rows) * step;
    const struct timespec rest = {0, REST_NS};
    while (done < total) {
        double due = rate ? (now_s() - start) * (double)rate / (double)count : (double)messages;
        for (size_t i = 0; i < count; i++) {
            struct client *k = &clients[i];
            while (k->sent < messages && (!rate || (double)k->sent < due - (double)i / (double)count) && k->sent - k->acked < window
                   && (!uncommitted || (k->sent + 1) * rows - k->committed <= uncommitted))
                if (publish(k, rows, metrics, oldest, step) != MOSQ_ERR_SUCCESS) break;
            fds[i].fd = mosquitto_socket(k->mosq);
            fds[i].events = POLLIN | (mosquitto_want_write(k->mosq) ? POLLOUT : 0);
        }
        if (rate) nanosleep(&rest, NULL);
        if (poll(fds, count, rate ? 0 : 100) < 0) { perror("poll"); return 1; }
        done = 0;
        for (size_t i = 0; i < count; i++) {
            if (fds[i].revents & POLLIN && mosquitto_loop_read(clients[i].mosq, 1) != MOSQ_ERR_SUCCESS) {
                fprintf(stderr, "%s lost its connection\n", clients[i].id);
                return 1;
            }
            if (fds[i].revents & POLLOUT) mosquitto_loop_write(clients[i].mosq, 1);
            done += uncommitted ? clients[i].committed : clients[i].acked;
        }
        double t = now_s();
        if (done > before) { before = done; last_progress = t; }
        else if (t - last_progress > 30) { fprintf(stderr, "no ack for 30 s, %ld of %ld are done\n", done, total); return 1; }
    }
    double seconds = now_s() - start;
    long sent = 0, acked = 0, refused = 0, committed = 0;
    for (size_t i = 0; i < count; i++) {
        sent += clients[i].sent;
        acked += clients[i].acked;
        refused += clients[i].refused;
        committed += clients[i].committed;
        mosquitto_disconnect(clients[i].mosq);
        mosquitto_destroy(clients[i].mosq);
    }
    printf("{\"sent\":%ld,\"acked\":%ld,\"refused\":%ld,\"committed\":%ld,\"seconds\":%.6f}\n", sent, acked, refused, committed,
           seconds);
    mosquitto_lib_cleanup();
    return 0;
}
