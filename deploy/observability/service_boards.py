"""The dashboards of the services beside the readings' way, and of what is promised: sync, commands, alerts, objectives."""

from __future__ import annotations

from grafana import Board, Panel, Row
from queries import budget, burn, per_second, quantiles

HTTP = Row(
    "HTTP, by service",
    [
        Panel("Requests", "Answered each second", "cps", {"{{job}}": per_second("http_requests_total", "job", "$ns, $of_job")}),
        Panel("Errors", "Share of answers that are 5xx", "percentunit",
              {"{{job}}": "max by (job) (namespace_job:http_errors:ratio_rate5m{$ns, $of_job})"}, limits=(("red", 0.05),)),
        Panel("Time", "95th percentile from request to end of answer", "s",
              {"{{job}}": "histogram_quantile(0.95, sum by (job, le) "
                          "(rate(http_request_seconds_bucket{$ns, $of_job}[$__rate_interval])))"}),
        Panel("Event loop", "How late timers run (99th percentile): above 0.25 s there is too little CPU", "s",
              {"{{job}}": "max by (job) (namespace_job:event_loop_lag_seconds:p99_5m{$ns, $of_job})"},
              limits=(("red", 0.25),)),
    ],
)  # fmt: skip

SYNC = Board(
    "sync",
    "Sync lag",
    "How far behind are desktops, and what do they disagree on?",
    [
        Row(
            "Now",
            [
                Panel(
                    "Desktops behind",
                    "Desktops that have not fetched everything; those that are off count as well",
                    "short",
                    {"behind": 'max(gateway_desktops{$ns, state="behind"})'},
                    "stat",
                ),
                Panel(
                    "Desktops current",
                    "Desktops that have fetched everything",
                    "short",
                    {"current": 'max(gateway_desktops{$ns, state="current"})'},
                    "stat",
                ),
                Panel(
                    "Open conflicts",
                    "That nobody resolved yet",
                    "short",
                    {"conflicts": "max(gateway_sync_open_conflicts{$ns})"},
                    "stat",
                    (("orange", 1),),
                ),
            ],
        ),
        Row(
            "Lag",
            [
                Panel(
                    "Entries not fetched",
                    "Of all desktops together, and of the slowest",
                    "short",
                    {"all": "max(gateway_sync_lag_entries{$ns})", "slowest": "max(gateway_sync_lag_most_entries{$ns})"},
                ),
                Panel(
                    "Configuration not in force",
                    "Entries, of all desktops",
                    "short",
                    {"entries": "max(gateway_sync_config_lag_entries{$ns})"},
                ),
                Panel(
                    "Edits not sent",
                    "Made on desktops and not sent yet",
                    "short",
                    {"edits": "max(gateway_sync_pending_edits{$ns})"},
                ),
            ],
        ),
        Row(
            "Exchange",
            [
                Panel(
                    "Messages",
                    "Of desktops, by what they were answered with",
                    "cps",
                    {"{{kind}}": per_second("sync_answers_total", "kind")},
                ),
                Panel("Time to answer", "In the service", "s", quantiles("sync_answer_seconds_bucket")),
                Panel("Rows sent", "On pages", "cps", {"rows": per_second("sync_rows_sent_total")}),
                Panel(
                    "Edits",
                    "By how they ended; identity's are those of people and roles",
                    "cps",
                    {
                        "sync: {{outcome}}": per_second("sync_operations_total", "outcome"),
                        "identity: applied": per_second("identity_operations_applied_total"),
                        "identity: lost": per_second("identity_operations_lost_total"),
                        "identity: rejected": per_second("identity_operations_rejected_total"),
                    },
                ),
            ],
        ),
    ],
)

COMMANDS = Board(
    "commands",
    "Commands",
    "Do commands reach their devices in time, and do devices answer?",
    [
        Row(
            "Life",
            [
                Panel(
                    "Sent and published",
                    "What people sent, and what the broker took for the first time",
                    "cps",
                    {
                        "sent": per_second("commands_sent_total"),
                        "published": per_second("commands_published_total"),
                        "cancelled": per_second("commands_cancelled_total"),
                    },
                ),
                Panel(
                    "Ended without an answer",
                    "Expired before the device was there, or published and never answered",
                    "cps",
                    {"expired": per_second("commands_expired_total"), "unknown": per_second("commands_given_up_total")},
                ),
                Panel(
                    "Tried again",
                    "For want of an answer, or because the broker did not take it",
                    "cps",
                    {
                        "asked again": per_second("commands_asked_again_total"),
                        "not taken": per_second("commands_publishes_failed_total"),
                    },
                ),
            ],
        ),
        Row(
            "Devices' reports",
            [
                Panel(
                    "Taken",
                    "Reports that counted, or said nothing new",
                    "cps",
                    {"reports": per_second("commands_reports_taken_total")},
                ),
                Panel(
                    "Refused",
                    "By the service, and by devices",
                    "cps",
                    {
                        "reports": per_second("commands_reports_refused_total"),
                        "commands, by devices": per_second("commands_refused_by_devices_total"),
                    },
                ),
                Panel(
                    "Dropped",
                    "QoS 0, for want of room",
                    "cps",
                    {"reports": per_second("commands_reports_dropped_total")},
                ),
            ],
        ),
    ],
)

ALERTS = Board(
    "alerts",
    "Alerts",
    "Are rules evaluated on everything that comes, and does somebody hear of alarms?",
    [
        Row(
            "Alarms",
            [
                Panel(
                    "Raised and cleared",
                    "By rules, live",
                    "cps",
                    {
                        "raised": per_second("alerts_alarms_raised_total"),
                        "cleared": per_second("alerts_alarms_cleared_total"),
                        "late": per_second("alerts_late_alarms_found_total"),
                    },
                ),
                Panel(
                    "Evaluated",
                    "Readings from the stream, and those fetched from the database after a hole",
                    "cps",
                    {
                        "stream": per_second("alerts_readings_evaluated_total"),
                        "database": per_second("alerts_readings_filled_total"),
                    },
                ),
                Panel(
                    "Not smooth",
                    "Evaluation that began anew, holes in the stream, stretches of late readings",
                    "cps",
                    {
                        "restarts": per_second("alerts_evaluations_restarted_total"),
                        "holes": per_second("alerts_holes_filled_total"),
                        "late stretches": per_second("alerts_late_spans_examined_total"),
                    },
                ),
            ],
        ),
        Row(
            "Notifications",
            [
                Panel(
                    "Planned",
                    "Steps of alarms that a channel is to be told of, and those that are not told",
                    "cps",
                    {
                        "planned": per_second("alerts_notifications_planned_total"),
                        "suppressed": per_second("alerts_notifications_suppressed_total"),
                    },
                ),
                Panel(
                    "Messages",
                    "Made, and taken by their receiver",
                    "cps",
                    {
                        "made": per_second("alerts_messages_formed_total"),
                        "sent": per_second("alerts_messages_sent_total"),
                    },
                ),
                Panel(
                    "Trouble",
                    "Tried again, in doubt, given up",
                    "cps",
                    {
                        "again": per_second("alerts_messages_retried_total"),
                        "in doubt": per_second("alerts_messages_doubtful_total"),
                        "given up": per_second("alerts_messages_failed_total"),
                    },
                ),
            ],
        ),
        Row(
            "Prometheus' own alerts about PrecisionPulse",
            [
                Panel(
                    "Firing",
                    "Each has a page in docs/runbooks",
                    "short",
                    {"alerts": 'ALERTS{alertname=~"Pulse.*", alertstate="firing"}'},
                    "table",
                ),
            ],
        ),
    ],
)

SLOS = Board(
    "slos",
    "Objectives",
    "Do we keep what we promise? 99.5 % of batches acknowledged within 1 s; 99.9 % of requests answered. Choose 30 days.",
    [
        Row(
            "Budget left, of the time shown",
            [
                Panel(
                    "Delivery",
                    "1: nothing spent; 0: all",
                    "percentunit",
                    {"left": budget("namespace:ingest_acks_late", 0.005)},
                    "stat",
                ),
                Panel(
                    "Gateway",
                    "1: nothing spent; 0: all",
                    "percentunit",
                    {"left": budget("namespace:gateway_errors", 0.001)},
                    "stat",
                ),
            ],
        ),
        Row(
            "How fast it is spent: 1 is just allowed, 6 and 14.4 alert",
            [
                Panel(
                    "Delivery",
                    "Acks after more than 1 s, against 0.5 %",
                    "short",
                    burn("namespace:ingest_acks_late", 0.005),
                    limits=(("orange", 6), ("red", 14.4)),
                ),
                Panel(
                    "Gateway",
                    "Requests answered with 5xx, against 0.1 %",
                    "short",
                    burn("namespace:gateway_errors", 0.001),
                    limits=(("orange", 6), ("red", 14.4)),
                ),
            ],
        ),
        HTTP,
    ],
    has_job=True,
)
