"""`config.*` and `settings.*`: entries that concern this desktop, and what the agent makes of them."""

from __future__ import annotations

from collections.abc import Mapping

from pulse_agent.configuration.live import SET_LOCALLY
from pulse_agent.local_access.session import LocalSession
from pulse_agent.local_protocol.calls import Call, CallRefusedError, Handler
from pulse_agent.local_protocol.desk import Desk, Workplace
from pulse_agent.local_protocol.row_views import pending_marks, stamp_ms, who
from pulse_agent.local_protocol.status_reader import device_info
from pulse_agent.replica.refusals import EditRefusedError
from pulse_contracts import local_people as people
from pulse_contracts.configuration import BUILT_IN_KEYS, parse_config_id
from pulse_contracts.local_protocol import ErrorCode
from pulse_contracts.local_status import Done, NoParams
from pulse_contracts.permissions import Permission


def configuration_methods(desk: Desk) -> Mapping[str, Handler]:
    """Return the methods on configuration."""
    methods = _Methods(desk)
    return {
        "config.list": methods.list,
        "config.set": methods.set,
        "config.clear": methods.clear,
        "settings.read": methods.read_settings,
        "settings.change": methods.change_setting,
        "settings.reset": methods.reset_setting,
    }


class _Methods:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._live = desk.parts.live

    async def list(self, call: Call, _: NoParams) -> people.ConfigRows:
        rows = await self._desk.ask(lambda place: _config(place, call.session))
        shown = [row.model_copy(update={"problem": self._problem(row)}) for row in rows]
        return people.ConfigRows(rows=shown)

    async def set(self, call: Call, params: people.KeyValueParams) -> Done:
        self._check_local(params.key)
        actor = call.session
        await self._desk.ask(lambda place: place.editor.set_config(actor, params.key, params.value), is_edit=True)
        await self._live.apply()
        return Done()

    async def clear(self, call: Call, params: people.KeyParams) -> Done:
        actor = call.session
        await self._desk.ask(lambda place: place.editor.clear_config(actor, params.key), is_edit=True)
        await self._live.apply()
        return Done()

    async def read_settings(self, call: Call, _: NoParams) -> people.Settings:
        rows = await self._desk.ask(_winners)
        return people.Settings(
            device=device_info(self._desk.parts.device),
            items=[self._setting(key, rows) for key in BUILT_IN_KEYS],
            can_change=call.session.can(Permission.CONFIG_WRITE),
        )

    async def change_setting(self, call: Call, params: people.KeyValueParams) -> people.Setting:
        self._check_known(params.key)
        await self.set(call, params)
        return self._setting(params.key, await self._desk.ask(_winners))

    async def reset_setting(self, call: Call, params: people.KeyParams) -> people.Setting:
        self._check_known(params.key)
        try:
            await self.clear(call, params)
        except EditRefusedError as refused:
            if refused.code != "unknown_row":  # there is no entry of this desktop: nothing to do
                raise
        return self._setting(params.key, await self._desk.ask(_winners))

    def _setting(self, key: str, winners: Mapping[str, people.ConfigRow]) -> people.Setting:
        winner = winners.get(key)
        origin = people.SettingOrigin.DEFAULT if winner is None else people.SettingOrigin(winner.scope)
        return people.Setting(
            key=key,
            spec=BUILT_IN_KEYS[key],
            value=self._live.in_force(key),
            origin=people.SettingOrigin.LOCAL if self._live.is_local(key) else origin,
            is_pending=winner is not None and winner.pending is not None,
            problem=None if winner is None else self._problem(winner),
        )

    def _problem(self, row: people.ConfigRow) -> str | None:
        return next((entry.error for entry in self._live.applied() if entry.id == row.id), None)

    def _check_local(self, key: str) -> None:
        if self._live.is_local(key):
            raise EditRefusedError("set_locally", f"{key} is {SET_LOCALLY}: {self._live.in_force(key)!r}")

    @staticmethod
    def _check_known(key: str) -> None:
        if key not in BUILT_IN_KEYS:
            raise CallRefusedError(ErrorCode.NOT_FOUND, f"there is no setting {key[:96]}", "key")


def _winners(place: Workplace) -> dict[str, people.ConfigRow]:
    return {row.key: row for row in _rows(place) if row.is_winner}


def _config(place: Workplace, session: LocalSession) -> list[people.ConfigRow]:
    place.editor.config(session)
    return _rows(place)


def _rows(place: Workplace) -> list[people.ConfigRow]:
    replica = place.replica
    marks = pending_marks(replica.pending(), "config")
    winning = {entry.id for entry in replica.effective_config().values()}
    names = place.usernames()
    found = []
    for row in replica.rows("config").values():
        address = parse_config_id(row.id)
        if address is not None:
            found.append(
                people.ConfigRow(
                    id=row.id,
                    scope=address.scope.value,
                    target=address.target,
                    key=address.key,
                    value=row.fields.get("value"),
                    is_winner=row.id in winning,
                    version=row.version,
                    updated_ms=stamp_ms(row.updated_at),
                    updated_by=who(row.updated_by, names),
                    pending=marks.get(row.id),
                )
            )
    return sorted(found, key=lambda row: (row.key, row.id))
