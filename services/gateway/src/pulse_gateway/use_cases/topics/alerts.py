"""`alerts`: every step of every alarm on a device in scope, as a log; of some severities only, if that is asked for."""

from __future__ import annotations

from typing import Final, get_args

from typing_extensions import override

from pulse_contracts.frames import ErrorCode, Topic
from pulse_contracts.permissions import Permission
from pulse_contracts.streams import AlarmChanged
from pulse_gateway.domain.refusal import RefusedError
from pulse_gateway.domain.selection import Audience
from pulse_gateway.use_cases.topics.log_topic import LogTopic

SEVERITIES: Final = frozenset(get_args(AlarmChanged.model_fields["severity"].annotation))


class Alerts(LogTopic):
    """The topic over the steps as the service `alerts` tells them."""

    name = Topic.ALERTS
    permission = Permission.ALERTS_READ

    @override
    def check(self, audience: Audience) -> None:
        # A misspelt one would be a log that stays silent for ever.
        if not SEVERITIES.issuperset(audience.selection.severity or ()):
            raise RefusedError(ErrorCode.INVALID_FILTER, f"a severity is one of {', '.join(sorted(SEVERITIES))}")
