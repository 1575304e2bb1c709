"""`audit`: every row of the audit log when the log has it; whoever may read the log sees all of it, as over REST."""

from __future__ import annotations

from typing_extensions import override

from pulse_contracts.frames import ErrorCode, Topic
from pulse_contracts.permissions import Permission
from pulse_gateway.domain.refusal import RefusedError
from pulse_gateway.domain.selection import Audience, Selection
from pulse_gateway.use_cases.topics.log_topic import LogTopic


class Audit(LogTopic):
    """The topic over the rows that identity wrote."""

    name = Topic.AUDIT
    permission = Permission.AUDIT_READ

    @override
    def check(self, audience: Audience) -> None:
        if audience.selection != Selection():
            raise RefusedError(ErrorCode.INVALID_FILTER, "the audit log is not told in parts: leave the filter out")
