"""A throw-away PostgreSQL cluster: made in a temporary directory, reached through a socket only its maker can open, gone afterwards."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

OWNER = "archive_owner"
APPLICATION = "archive_app"
_SUPERUSER = "postgres"


def server_binaries() -> Path | None:
    """Find the directory of `initdb` and `pg_ctl`: the newest of Debian's, else the one on the PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb") if path.parent.parent.name.isdigit()]
    if found:
        return max(found, key=lambda directory: int(directory.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path and shutil.which("pg_ctl") else None


def _run_as() -> dict[str, Any]:
    """Return what `subprocess.run` needs to leave root behind: the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("running as root, and the machine has neither a postgres nor a nobody account to run the server as")


class PostgresCluster:
    """One server of its own, with the two roles of the archive and no database but those it is asked for.

    `archive_owner` owns the schema and runs migrations; `archive_app` is what a running archive signs in as. Both are plain roles:
    neither may create roles or databases, and the owner is a member of nothing.
    """

    def __init__(self, *, fsync: bool = True) -> None:
        """Make and start the cluster; `fsync=False` only where nothing is claimed about durability."""
        binaries = server_binaries()
        if binaries is None:
            raise RuntimeError("no PostgreSQL server binaries on this machine")
        self._binaries = binaries
        self._fsync = fsync
        self._as = _run_as()
        # A socket's path may have at most 107 bytes: a short name directly under the temporary directory.
        self.home = Path(tempfile.mkdtemp(prefix="pa-pg-"))
        self.data = self.home / "data"
        if self._as:
            os.chown(self.home, self._as["user"], self._as["group"])
        self.home.chmod(0o700)
        self._command(
            "initdb", "-D", self.data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"
        )
        self.start()
        with self._admin() as conn:
            for role in (OWNER, APPLICATION):
                conn.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.home,
            "unix_socket_permissions": "0700",
            "fsync": "on" if self._fsync else "off",
            "max_connections": 300,
            "shared_buffers": "64MB",
            "autovacuum": "off",
            "log_min_messages": "fatal",
        }
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._command("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.home / "server.log", "-o", options, "start")

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server, politely or (`crash`) as if the power had gone."""
        self._command("pg_ctl", "-D", self.data, "-w", "-m", "immediate" if crash else "fast", "stop")

    def remove(self) -> None:
        """Stop the server if it runs and delete everything."""
        if (self.data / "postmaster.pid").exists():
            self.stop(crash=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def url(self, database: str, role: str) -> str:
        """Return the SQLAlchemy URL of `database` as `role`."""
        return f"postgresql+psycopg://{role}@/{database}?host={self.home}"

    def create_database(self, template: str | None = None) -> str:
        """Create a database with a fresh name, a copy of `template` if given; only the archive's two roles may connect."""
        name = f"archive_{secrets.token_hex(6)}"
        with self._admin() as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template or "template0")
                )
            )
            conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), sql.Identifier(APPLICATION)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        with self._admin() as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.home), user=_SUPERUSER, dbname="postgres", autocommit=True)

    def _command(self, tool: str, *arguments: object) -> None:
        done = subprocess.run(
            [self._binaries / tool, *map(str, arguments)],
            cwd=self.home,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            # A file, not a pipe: the server inherits it, and a pipe would be waited on for as long as the server lives.
            stdout=(output := tempfile.TemporaryFile()),  # noqa: SIM115  closed below
            stderr=subprocess.STDOUT,
            check=False,
            **self._as,
        )
        with output:
            if done.returncode != 0:
                output.seek(0)
                log = self.home / "server.log"
                raise RuntimeError(
                    f"{tool} failed: {output.read().decode(errors='replace')}\n{log.read_text(errors='replace') if log.exists() else ''}"
                )
