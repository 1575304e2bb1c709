"""`POST /api/devices/import`: many devices from a CSV file.

Columns by name, in any order: `id`, `name`, `kind`, `groups` (separated by `;`), `metadata` (a JSON object), `owner_id`; each
may be missing or empty. UTF-8, at most `MAX_ROWS` rows and `MAX_BYTES`. Every row is checked before anything is done; 422
lists what is wrong, row by row. The answer is CSV as well, sent while devices are registered: the API keys are in it
and nowhere else.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response, StreamingResponse

from pulse_chassis.bearer import Principal, requires
from pulse_chassis.errors import InvalidError, PulseError
from pulse_chassis.problems import make_problem, problem_response
from pulse_chassis.route_bounds import body_bound
from pulse_contracts.permissions import Permission
from pulse_contracts.problem import FieldProblem
from pulse_identity.domain.devices import NewDevice
from pulse_identity.http.device_schemas import RegisterBody
from pulse_identity.http.use_case_set import Given, UseCases, caller_of
from pulse_identity.use_cases.import_devices import RowRefusal
from pulse_identity.use_cases.register_devices import DeviceWish

MAX_ROWS: Final = 10_000
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_SHOWN: Final = 200
COLUMNS: Final = ("id", "name", "kind", "groups", "metadata", "owner_id")
ANSWER_COLUMNS: Final = ("row", "id", "status", "api_key", "detail")
_MEDIA_TYPE: Final = "text/csv"
_EXAMPLE: Final = "name,kind,groups\r\nPump 3,esp32,hall-2;pumps\r\nPump 4,esp32,hall-2\r\n"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {_MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}}}
}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": f"One line a row: {', '.join(ANSWER_COLUMNS)}",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    415: {"description": "The body is not text/csv"},
}
router = APIRouter(tags=["devices"])


@router.post(
    "/api/devices/import",
    dependencies=[Depends(body_bound(MAX_BYTES))],
    summary="Register devices from a CSV file",
    response_class=StreamingResponse,
    responses=_ANSWER,
    openapi_extra=_BODY,
)
async def import_devices(
    request: Request,
    principal: Annotated[Principal, Depends(requires(Permission.DEVICES_WRITE))],
    given: Given,
) -> Response:
    """Check every row, then register them; up to 1,000 rows all or none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise PulseError("unsupported_media_type", f"send {_MEDIA_TYPE}", 415)
    wishes, refusals = read_rows(await request.body())
    caller = caller_of(principal)
    refusals = refusals or await given.import_devices.check(caller, wishes)
    if refusals:
        return _refused(refusals)
    chunks = given.import_devices.register(caller, wishes)
    # The first ones before the answer begins: until then it can still be an error.
    first = await anext(chunks)
    return StreamingResponse(_lines(given, len(wishes), first, chunks), media_type=f"{_MEDIA_TYPE}; charset=utf-8")


def read_rows(body: bytes) -> tuple[list[DeviceWish], list[RowRefusal]]:
    """Return what is wanted and every row that cannot be read; raises InvalidError when it is no such file at all."""
    try:
        text = body.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        message = "the file is not CSV in UTF-8"
        raise InvalidError(message, code="bad_csv") from error
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if not header or len(set(header)) < len(header) or not set(header) <= set(COLUMNS):
        message = f"the first line names the columns, each once, of: {', '.join(COLUMNS)}"
        raise InvalidError(message, code="bad_csv_header")
    lines = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    if not 1 <= len(lines) <= MAX_ROWS:
        message = f"a file has 1 to {MAX_ROWS} rows"
        raise InvalidError(message, code="bad_row_count")
    wishes: list[DeviceWish] = []
    refusals: list[RowRefusal] = []
    for number, line in enumerate(lines, start=1):
        if len(line) != len(header):
            message = f"the row has {len(line)} fields, the header {len(header)}"
            refusals.append(RowRefusal(number, "", "bad_field_count", message))
            continue
        try:
            wishes.append(RegisterBody.model_validate(_fields(dict(zip(header, line, strict=True)))).wish())
        except ValidationError as error:
            refusals += [
                RowRefusal(number, ".".join(map(str, item["loc"])), str(item["type"]), str(item["msg"]))
                for item in error.errors(include_input=False, include_url=False)
            ]
    return wishes, refusals


def _fields(cells: dict[str, str]) -> dict[str, Any]:
    """Return what is not empty; groups and metadata taken apart."""
    found: dict[str, Any] = {name: cell.strip() for name, cell in cells.items() if cell.strip()}
    if "groups" in found:
        found["groups"] = [group.strip() for group in found["groups"].split(";") if group.strip()]
    if "metadata" in found:
        try:
            found["metadata"] = json.loads(found["metadata"])
        except (ValueError, RecursionError):
            # Left as text, which is not an object: the row's own error then says so.
            found["metadata"] = ""
    return found


def _refused(refusals: Sequence[RowRefusal]) -> Response:
    shown = [
        FieldProblem(
            field=f"row {refusal.row}" + (f".{refusal.field[:64]}" if refusal.field else ""),
            code=refusal.code,
            message=refusal.message[:200],
        )
        for refusal in refusals[:MAX_SHOWN]
    ]
    detail = f"{len(refusals)} mistakes; nothing was registered" + (
        f"; the first {MAX_SHOWN} are shown" if len(refusals) > MAX_SHOWN else ""
    )
    return problem_response(make_problem(422, "rows_refused", detail, errors=shown))


async def _lines(
    given: UseCases, count: int, first: list[NewDevice], rest: AsyncIterator[list[NewDevice]]
) -> AsyncIterator[str]:
    yield _csv([ANSWER_COLUMNS])
    done = 0
    chunk: list[NewDevice] | None = first
    failure: PulseError | None = None
    while chunk is not None:
        given.count.add("devices_registered", len(chunk))
        yield _csv([(done + n, new.device.id, "registered", new.key.text, "") for n, new in enumerate(chunk, start=1)])
        done += len(chunk)
        try:
            chunk = await anext(rest, None)
        except PulseError as error:
            failure, chunk = error, None
    if failure is not None:
        yield _csv([(row, "", "not_done", "", failure.message) for row in range(done + 1, count + 1)])


def _csv(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
