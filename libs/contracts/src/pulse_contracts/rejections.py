"""Why a message or a row was refused: one code each, in acks, problem documents, the rejected table and metrics."""

from __future__ import annotations

from enum import StrEnum


class RejectionCode(StrEnum):
    """A refusal that will not change by sending the same again."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    BAD_SHAPE = "bad_shape"
    BAD_VALUE = "bad_value"
    BAD_METRIC_KEY = "bad_metric_key"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_SEQUENCE = "bad_sequence"
    TOO_LARGE = "too_large"
    TOO_MANY_METRICS = "too_many_metrics"
    TOO_DEEP = "too_deep"
    NO_METRICS = "no_metrics"
    WRONG_TOPIC = "wrong_topic"
    WRONG_CLIENT = "wrong_client"
    WRONG_KEY = "wrong_key"
    UNKNOWN_DEVICE = "unknown_device"
    RATE_LIMITED = "rate_limited"
