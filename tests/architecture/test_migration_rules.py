"""What `make check-migrations` lets through: a migration adds, or says since which release nothing uses what it takes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parents[2] / ".ci"


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(CI), *sys.path])
    return importlib.import_module("check_migrations")


def _migration(statement: str, *, mark: str = "", down: str = "pass") -> str:
    return f"from alembic import op\n{mark}\ndef upgrade():\n    {statement}\n\ndef downgrade():\n    {down}\n"


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("alter table telemetry.sample drop  column text")',
        'op.execute("ALTER TABLE a.b RENAME COLUMN x TO y")',
        'op.execute("alter table a.b alter column x set not null")',
        'op.execute("alter table a.b alter column x type bigint")',
        'op.execute("drop view a.v")',
        'op.drop_table("b", schema="a")',
        'op.alter_column("b", "x", nullable=False)',
        'op.alter_column("b", "x", new_column_name="y")',
    ],
)
def test_what_the_running_version_may_use_is_not_taken_away_unsaid(rules, statement):
    (said,) = rules.problems(_migration(statement), [])
    assert "without CONTRACTS" in said


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("alter table a.b add column x bigint")',
        'op.execute("alter table a.b alter column x drop not null")',
        'op.execute("create index i on a.b (x) -- as we drop column y one day")',
        "op.execute(\"comment on table a.b is 'to rename'\")",
        'op.alter_column("b", "x", nullable=True)',
    ],
)
def test_adding_and_loosening_is_free_and_downgrade_may_do_anything(rules, statement):
    assert list(rules.problems(_migration(statement, down='op.execute("drop table a.b")'), [])) == []


def test_a_contract_names_a_release_that_is_out_and_does_without_it(rules, monkeypatch):
    source = _migration('op.drop_column("b", "old")', mark='CONTRACTS = {"a.b.old": "1.4.0"}')
    (said,) = rules.problems(source, ["1.3.0"])
    assert "1.4.0 that does without it is not out" in said
    monkeypatch.setattr(rules, "uses", lambda name, version: "services/a/src/pulse_a/storage/tables.py")
    (said,) = rules.problems(source, ["1.3.0", "1.4.0"])
    assert "still has it in services/a" in said
    monkeypatch.setattr(rules, "uses", lambda name, version: "")
    assert list(rules.problems(source, ["1.3.0", "1.4.0"])) == []
    (said,) = rules.problems(_migration("pass", mark='CONTRACTS = {"a.b.old": "1.4.0"}'), ["1.4.0"])
    assert "takes nothing away" in said


def test_the_sources_of_a_release_are_asked_without_its_migrations(rules):
    # Of this commit as if it were a release: the first is a column of a table, the second nobody's.
    assert "services/identity/src/pulse_identity/storage/tables.py" in rules.uses("identity.users.username_key", "HEAD")
    assert rules.uses("identity.users.no_such_column", "HEAD") == ""
