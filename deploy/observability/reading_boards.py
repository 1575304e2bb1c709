"""The dashboards of what comes in and goes out to screens: fleet, delivery, ingest, gateway."""

from __future__ import annotations

from grafana import Board, Panel, Row
from queries import LATE, per_second, quantiles

FLEET = Board(
    "fleet",
    "Fleet",
    "Are the devices there, and does what they send arrive? The first page to open.",
    [
        Row(
            "Now",
            [
                Panel(
                    "Devices online",
                    "Enabled devices that are heard",
                    "short",
                    {"online": 'max(gateway_devices{$ns, state="online"})'},
                    "stat",
                ),
                Panel(
                    "Devices offline",
                    "Registered devices that are silent, or disabled",
                    "short",
                    {"offline": 'max(gateway_devices{$ns, state="offline"})'},
                    "stat",
                ),
                Panel(
                    "Held back",
                    "Readings that clients still hold, by their own account; they come when the way is free",
                    "short",
                    {"readings": "max(gateway_buffered_readings{$ns})"},
                    "stat",
                ),
                Panel(
                    "Stored",
                    "Readings committed each second",
                    "cps",
                    {"readings": "sum(namespace:ingest_readings_stored:rate5m{$ns})"},
                    "stat",
                ),
                Panel(
                    "Ack lag",
                    "95 % of the batches are acknowledged within this time",
                    "s",
                    {"95 %": "max(namespace:ingest_ack_lag_seconds:p95_5m{$ns})"},
                    "stat",
                    LATE,
                ),
                Panel(
                    "Services that answer",
                    "Services of which at least one process is scraped; six are all",
                    "short",
                    {"services": "count(sum by (job) (up{$ours}) > 0)"},
                    "stat",
                ),
            ],
        ),
        Row(
            "Over time",
            [
                Panel(
                    "Devices",
                    "Registered devices by state",
                    "short",
                    {"{{state}}": "max by (state) (gateway_devices{$ns})"},
                    is_stacked=True,
                ),
                Panel(
                    "Held back by clients",
                    "A hill that shrinks is an outage that ended",
                    "short",
                    {"readings": "max(gateway_buffered_readings{$ns})"},
                ),
                Panel(
                    "Hellos",
                    "Clients that began a session, by why their numbering was renewed; `no` is the usual",
                    "cps",
                    {"{{renewed}}": per_second("ingest_hellos_total", "renewed")},
                ),
            ],
        ),
        Row(
            "The machinery",
            [
                Panel("Processes that answer", "By service", "short", {"{{job}}": "sum by (job) (up{$ours})"}),
                Panel(
                    "CPU",
                    "Cores used, by service",
                    "short",
                    {"{{job}}": per_second("process_cpu_seconds_total", "job", "$ours")},
                    is_stacked=True,
                ),
                Panel(
                    "Memory",
                    "Resident, by service",
                    "bytes",
                    {"{{job}}": "sum by (job) (process_resident_memory_bytes{$ours})"},
                    is_stacked=True,
                ),
            ],
        ),
    ],
)

DELIVERY = Board(
    "delivery",
    "Delivery and ack lag",
    "How long does a client wait until it may forget a reading, and does anything come twice or not at all?",
    [
        Row(
            "Acks",
            [
                Panel(
                    "Ack lag",
                    "From the receipt of the oldest message of a batch to its ack",
                    "s",
                    quantiles("ingest_ack_lag_seconds_bucket"),
                    limits=LATE,
                ),
                Panel(
                    "Commit", "The part of it that the database takes", "s", quantiles("ingest_batch_seconds_bucket")
                ),
                Panel(
                    "Acks that failed",
                    "Not handed to the broker; the client sends again",
                    "cps",
                    {"acks": per_second("ingest_acks_failed_total")},
                ),
            ],
        ),
        Row(
            "What came",
            [
                Panel(
                    "Messages by outcome",
                    "accepted, rejected, or deferred over the client's rate",
                    "cps",
                    {"{{outcome}}": per_second("ingest_messages_total", "outcome")},
                ),
                Panel(
                    "Readings",
                    "Committed for the first time, and those that were here before: resends",
                    "cps",
                    {
                        "new": per_second("ingest_readings_stored_total"),
                        "here before": per_second("ingest_duplicates_total"),
                    },
                ),
                Panel(
                    "Refused",
                    "Messages and rows, by code; the sender is told",
                    "cps",
                    {"{{code}}": per_second("ingest_rejected_total", "code")},
                ),
            ],
        ),
        Row(
            "The way",
            [
                Panel(
                    "Queue",
                    "Messages that wait to be committed; 2,000 a worker is full",
                    "short",
                    {"all workers": "sum(ingest_queue_depth{$ns})"},
                ),
                Panel(
                    "Broker",
                    "Connections that ingest made, and connections of clients that the broker refused",
                    "cps",
                    {
                        "connects of ingest": per_second("ingest_broker_connects_total"),
                        "refused clients": per_second("ingest_broker_refused_connections_total"),
                    },
                ),
                Panel(
                    "Put off",
                    "Attempts to commit that must be repeated, and live messages (QoS 0) dropped for want of room",
                    "cps",
                    {
                        "deferred": per_second("ingest_store_deferrals_total"),
                        "dropped QoS 0": per_second("ingest_live_dropped_total"),
                    },
                ),
            ],
        ),
    ],
)

INGEST = Board(
    "ingest",
    "Ingest",
    "Is ingest's work well shared, and how much room has the database?",
    [
        Row(
            "Work",
            [
                Panel(
                    "Readings by worker",
                    "Committed each second",
                    "cps",
                    {"{{pod}} {{instance}}": per_second("ingest_readings_stored_total", "pod, instance")},
                ),
                Panel(
                    "Queue by worker",
                    "Messages that wait to be committed",
                    "short",
                    {"{{pod}} {{instance}}": "ingest_queue_depth{$ns}"},
                    limits=(("orange", 1000), ("red", 1900)),
                ),
                Panel(
                    "CPU by worker",
                    "Near 1 a worker has no more",
                    "short",
                    {
                        "{{pod}} {{instance}}": per_second(
                            "process_cpu_seconds_total", "pod, instance", '$ns, job="ingest"'
                        )
                    },
                    limits=(("orange", 0.8),),
                ),
                Panel(
                    "Values",
                    "Committed each second, one for each metric of a reading",
                    "cps",
                    {"values": per_second("ingest_samples_stored_total")},
                ),
            ],
        ),
        Row(
            "Trouble",
            [
                Panel(
                    "Poison",
                    "Messages that PostgreSQL refused; they are in quarantine",
                    "cps",
                    {"messages": per_second("ingest_poison_messages_total")},
                ),
                Panel(
                    "Not announced",
                    "Readings stored while Valkey was away; screens fetch them afterwards",
                    "cps",
                    {"readings": per_second("ingest_unannounced_total")},
                ),
                Panel(
                    "Wire forms",
                    "Messages by the form that clients use",
                    "cps",
                    {"{{form}}": per_second("ingest_messages_total", "form")},
                ),
            ],
        ),
        Row(
            "Storage",
            [
                Panel(
                    "Used",
                    "Of the volume, or of the configured capacity",
                    "percentunit",
                    {"used": "max(ingest_storage_used_ratio{$ns})"},
                    "stat",
                    (("orange", 0.8), ("red", 0.9)),
                ),
                Panel(
                    "Time left",
                    "Until it is full, if it grows as it did; empty while nothing grows",
                    "s",
                    {"left": "min(ingest_storage_left_seconds{$ns})"},
                    "stat",
                ),
                Panel(
                    "Size",
                    "By class, with indexes",
                    "bytes",
                    {
                        "raw": "max(ingest_storage_raw_bytes{$ns})",
                        "minutes": "max(ingest_storage_minute_bytes{$ns})",
                        "hours": "max(ingest_storage_hour_bytes{$ns})",
                    },
                    is_stacked=True,
                ),
                Panel(
                    "Retention",
                    "Rows removed one by one, by kind, and partitions dropped",
                    "cps",
                    {
                        "{{kind}}": per_second("ingest_retention_removed_total", "kind"),
                        "partitions": per_second("ingest_retention_partitions_dropped_total"),
                    },
                ),
            ],
        ),
    ],
)

GATEWAY = Board(
    "gateway",
    "Gateway",
    "Do screens get their news, and requests their answers?",
    [
        Row(
            "Live",
            [
                Panel("Sockets", "Open, by state", "short", {"{{state}}": "sum by (state) (gateway_connections{$ns})"}),
                Panel(
                    "Stream to socket",
                    "From an entry of a stream until its news is queued for all who want it",
                    "s",
                    quantiles("gateway_fanout_seconds_bucket"),
                    limits=(("orange", 0.1),),
                ),
                Panel(
                    "Frames",
                    "Queued each second, by type",
                    "cps",
                    {"{{type}}": per_second("gateway_frames_sent_total", "type")},
                ),
                Panel(
                    "Streams that are read",
                    "0: at least one gateway does not read it",
                    "short",
                    {"{{stream}}": "min by (stream) (gateway_stream_connected{$ns})"},
                ),
            ],
        ),
        Row(
            "Endings",
            [
                Panel(
                    "Sockets ended",
                    "By close code; 4200 is a restart",
                    "cps",
                    {"{{code}}": per_second("gateway_closes_total", "code")},
                ),
                Panel(
                    "Too slow",
                    "Sockets ended because they did not keep up",
                    "cps",
                    {"sockets": per_second("gateway_slow_closes_total")},
                ),
                Panel(
                    "Resumes",
                    "By outcome; all but `recovered` load the state anew",
                    "cps",
                    {"{{outcome}}": per_second("gateway_resumes_total", "outcome")},
                ),
                Panel(
                    "Refused and lost",
                    "Requests on sockets, positions in streams, entries that could not be read",
                    "cps",
                    {
                        "refused: {{code}}": per_second("gateway_refusals_total", "code"),
                        "positions lost": per_second("gateway_positions_lost_total"),
                        "unreadable": per_second("gateway_bad_entries_total"),
                    },
                ),
            ],
        ),
    ],
)
