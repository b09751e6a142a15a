"""Take a database to this program's schema, and refuse one this program does not know.

The owner role runs migrations; the application role the service uses cannot change the schema. A database that a newer program has
migrated is refused (`WrongDatabase`): writing rows an older program does not understand would lose what is in them.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from audit.append_only import WriteOnce, log_statements, trigger_names, write_once
from foundation.database import Database
from foundation.errors import WrongDatabase
from service.migrations.schema import metadata

_HERE = Path(__file__).parent
# PostgreSQL: the role the service runs as. The owner creates it before the first migration (docs/operations.md).
APPLICATION_ROLE = "archive_app"
# Beside the tables `audit.append_only` knows itself.
WRITTEN_ONCE = ("case_versions", "log_cosignatures", "log_spans", "request_decisions")


def _config(conn: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["connection"] = conn
    return config


def head() -> str:
    """The revision this program expects."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("no migration is packed")
    return revision


def upgrade(db: Database) -> None:
    """Migrate to the newest schema in one transaction, and make lost triggers again; a kill in the middle leaves the old schema whole."""
    with db.write() as conn:
        _refuse_newer(conn)
        _want_application_role(conn)
        command.upgrade(_config(conn), "head")
        for statement in _guards(conn):
            conn.execute(text(statement))


def check(db: Database) -> None:
    """Refuse a database whose schema is not this program's."""
    with db.read() as conn:
        _refuse_newer(conn)
        found = MigrationContext.configure(conn).get_current_revision()
    if found != head():
        raise WrongDatabase(
            why_zh="数据库结构尚未升级，请先运行 petition-archive migrate",
            why_en="its schema is older than this program; run `petition-archive migrate` first",
        )


def check_guards(db: Database) -> None:
    """Refuse a database of this program's schema that lost a trigger which keeps rows from being changed."""
    with db.read() as conn:
        lost = sorted(trigger_names(_guards(conn)) - _triggers(conn))
    if lost:
        raise WrongDatabase(
            why_zh=f"缺少防改触发器 {'、'.join(lost)}（恢复时未带上，或被人删除）。查明原因后运行 petition-archive migrate 补齐",
            why_en=f"triggers that keep rows from being changed are missing: {', '.join(lost)} (not restored, or taken away);"
            " find out why, then run `petition-archive migrate`, which makes them again",
        )


def _guards(conn: Connection) -> list[str]:
    """The statements that make rows append-only, all of them together; they may be executed again."""
    others = [WriteOnce.of(metadata.tables[name]) for name in WRITTEN_ONCE]
    return [*log_statements(conn.dialect.name, APPLICATION_ROLE), *write_once(conn.dialect.name, others, APPLICATION_ROLE)]


def _triggers(conn: Connection) -> set[str]:
    """The triggers that are there and at work."""
    if conn.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND relnamespace = current_schema()::regnamespace"
        )
    return set(conn.execute(text(query)).scalars())


def _refuse_newer(conn: Connection) -> None:
    found = MigrationContext.configure(conn).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise WrongDatabase(
            why_zh="数据库由更新版本的程序建立，请升级程序", why_en="it was made by a newer version of this program; upgrade the program"
        )


def _want_application_role(conn: Connection) -> None:
    if conn.dialect.name != "postgresql":
        return
    if conn.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": APPLICATION_ROLE}).one_or_none() is None:
        raise WrongDatabase(
            why_zh=f"请先建立数据库角色 {APPLICATION_ROLE}（见 docs/operations.md）",
            why_en=f"create the database role {APPLICATION_ROLE} first (docs/operations.md)",
        )


def fingerprint(conn: Connection) -> str:
    """A digest of everything the database holds of the schema: tables, columns, keys, indexes, triggers.

    SQLite rebuilds a table to alter it and drops its triggers silently; comparing this before and after a migration shows it.
    """
    if conn.dialect.name == "sqlite":
        rows = conn.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"))
    else:
        rows = conn.execute(
            text(
                "SELECT 'column', table_name, column_name, data_type || ':' || is_nullable || ':' ||"
                " coalesce(character_maximum_length::text, '')"
                " FROM information_schema.columns WHERE table_schema = current_schema()"
                " UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
                " UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
                " WHERE connamespace = current_schema()::regnamespace"
                " UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)"
                " FROM pg_trigger WHERE NOT tgisinternal"
                " UNION ALL SELECT 'privilege', table_name, grantee, string_agg(privilege_type, ',' ORDER BY privilege_type)"
                " FROM information_schema.role_table_grants WHERE table_schema = current_schema() GROUP BY table_name, grantee"
                " ORDER BY 1, 2, 3, 4"
            )
        )
    digest = sha256()
    for row in rows:
        digest.update("\x1f".join("" if value is None else str(value) for value in row).encode() + b"\x1e")
    return digest.hexdigest()
