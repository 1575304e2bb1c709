"""Writes `docs/reference/database.md` from a database that the services' migrations made: tables, keys, published views.

Usage: database_page.py DATABASE_URL [--check]. The database of a running stack will do: partitions are left out, so the
page does not depend on what is stored. `docs/tests` fails when the page is another than the migrations would give.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg

PAGE: Final = Path(__file__).resolve().parents[1] / "reference/database.md"
SCHEMAS: Final = {
    "telemetry": "ingest",
    "identity": "identity",
    "sync": "sync",
    "commands": "commands",
    "alerts": "alerts",
    "gateway": "gateway",
}
"""Schema and owning service, in the order of the page."""

_COLUMNS: Final = """
SELECT n.nspname AS schema, c.relname AS relation, c.relkind::text AS kind, a.attname AS name,
       regexp_replace(format_type(a.atttypid, NULL), ' with(out)? time zone', '') AS type,
       coalesce(a.attnum = ANY (pk.conkey), false) AS is_key,
       has_table_privilege('pulse_published', c.oid, 'SELECT') AS is_published
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_constraint pk ON pk.conrelid = c.oid AND pk.contype = 'p'
 WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relname !~ '^alembic'
 ORDER BY n.nspname, c.relname, a.attnum
"""
_REFERENCES: Final = """
SELECT DISTINCT n.nspname AS schema, c.relname AS source, r.relname AS target
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_class r ON r.oid = k.confrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND n.nspname = ANY ($1) AND NOT c.relispartition AND NOT r.relispartition
 ORDER BY 1, 2, 3
"""


@dataclass
class Relation:
    """A table or a view: its columns as name, type and whether they are in the primary key."""

    name: str
    kind: str
    is_published: bool
    columns: list[tuple[str, str, bool]] = field(default_factory=list)


async def page(database_url: str) -> str:
    """Return the page's text."""
    connection: Any = await asyncpg.connect(database_url)
    try:
        columns = await connection.fetch(_COLUMNS, list(SCHEMAS))
        references = await connection.fetch(_REFERENCES, list(SCHEMAS))
    finally:
        await connection.close()
    relations: dict[str, dict[str, Relation]] = {schema: {} for schema in SCHEMAS}
    for row in columns:
        new = Relation(row["relation"], row["kind"], row["is_published"])
        known = relations[row["schema"]].setdefault(row["relation"], new)
        known.columns.append((row["name"], row["type"], row["is_key"]))
    arrows: dict[str, list[tuple[str, str]]] = {schema: [] for schema in SCHEMAS}
    for row in references:
        arrows[row["schema"]].append((row["source"], row["target"]))
    return "\n".join(
        _head() + [line for schema in SCHEMAS for line in _schema(schema, relations[schema], arrows[schema])]
    )


def _head() -> list[str]:
    return [
        "# The database",
        "",
        "Made from the schemas that the services' migrations give, by `docs/scripts/database_page.py`; a test",
        "holds the page to them. Each service has a schema and a role of its own and can read no other's tables.",
        "What it publishes to the others are views, granted to the role `pulse_published` ([decision",
        "0002](../decisions/0002-published-views.md)). Tables of readings are partitioned by time; partitions are",
        "not shown.",
        "",
    ]


def _schema(schema: str, relations: dict[str, Relation], arrows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"## Schema `{schema}`, of {SCHEMAS[schema]}"
    yield ""
    yield "```mermaid"
    yield "erDiagram"
    for source, target in arrows:
        yield f'  {target} ||--o{{ {source} : ""'
    for relation in relations.values():
        if relation.kind == "v":
            continue
        yield f"  {relation.name} {{"
        for name, kind, is_key in relation.columns:
            yield f"    {_word(kind)} {name}{' PK' if is_key else ''}"
        yield "  }"
    yield "```"
    yield ""
    published = [relation for relation in relations.values() if relation.is_published]
    if published:
        yield "| published view | columns |"
        yield "|---|---|"
        for relation in published:
            yield f"| `{relation.name}` | {', '.join(name for name, _, _ in relation.columns)} |"
        yield ""


def _word(kind: str) -> str:
    """Write a type as the one word that a diagram takes."""
    array = kind.endswith("[]")
    return re.sub(r"\W+", "_", kind.removesuffix("[]")).strip("_") + ("_array" if array else "")


def main() -> int:
    """Write the page, or with `--check` say whether it is right; returns the exit code."""
    text = asyncio.run(page(sys.argv[1]))
    if "--check" in sys.argv:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.name} is not what the migrations give; run {Path(__file__).name}", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
