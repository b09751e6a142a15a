"""`audit status`: whether each log is durable, signed, alive and witnessed as it should be, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Final

import typer
from prometheus_client.parser import text_string_to_metric_families

from audit.errors import LogRefused
from audit.store import head_of
from audit.watching import UNSIGNED_SECONDS, LogState, states
from audit.witnessing import WitnessLag, lags
from foundation.clock import SystemClock, from_ms, to_ms
from service.cli.door import Door, Refused
from service.cli.terminal import CommandFailed, columns, installation, moment, say
from service.house import House
from service.wiring import open_archive
from vault.signer import LogSigner

# A publisher goes round every `ARCHIVE_PUBLISH_SECONDS`, a minute at most; a commit takes milliseconds.
_IDLE_SECONDS: Final = 180.0
_COMMIT_SECONDS: Final = 30.0
_WITNESS_SECONDS: Final = 3600.0
_STEPS: Final = {
    "log-rolled-back": (
        "若是有意恢复了备份，用 audit admit-restored 准入；若不是，请停止服务，原样保存数据库和锚点，查明是谁所为",
        "if a backup was restored on purpose, `audit admit-restored` admits it; if not, keep all as it is and find out who did it",
    ),
    "log-forked": (
        "请停止服务，原样保存数据库、锚点和另存的检查点，用 audit fsck 查出第一处不符，报告主管部门",
        "stop the service, keep database, anchors and old checkpoints as they are; `audit fsck` finds the first thing wrong; report it",
    ),
    "log-anchor-missing": (
        "请核对 ARCHIVE_ANCHORS 所指的文件夹是否挂载、是否为原来的文件夹",
        "check that the folder of ARCHIVE_ANCHORS is mounted, and is the one it was",
    ),
    "log-anchor-unreadable": (
        "请核对锚点文件的权限和内容，从备份取回原来的锚点",
        "check permissions and content of the anchor's file, and bring the former one back from a backup",
    ),
}
_OTHERWISE: Final = (
    "请看服务日志中 log.publishing-failed 一行的 error，排除后会自行恢复",
    "see `error` in the line log.publishing-failed of the service's log; it recovers by itself once that is mended",
)


@dataclass(slots=True)
class Seen:
    """What was found: by looking at the database, or at what a running service says of it and of itself."""

    now: float
    interval: int
    logs: list[LogState]
    refused: dict[str, str] = field(default_factory=dict)
    witnesses: list[tuple[str, str, float]] = field(default_factory=list)
    """(fonds, witness, seconds behind)."""
    stuck: list[tuple[str, str, str]] = field(default_factory=list)
    """(fonds, witness or stream, code): what a running service cannot have cosigned, or cannot send on."""
    idle_seconds: float = 0.0
    commit_seconds: float = 0.0
    commits: int = 0
    reachable: bool = True


def status(
    url: Annotated[
        str,
        typer.Option(
            help="查问运行中的服务，不需要凭据；限本机和内网 / ask a running service, from its machine or intranet; no credential needed"
        ),
    ] = "",
) -> None:
    """各全宗日志是否落盘、签名、有心跳、与锚点一致；有不对的退出码为 1 并说明怎么办。 How every log is; 1 where something is wrong.

    不写 --url 时直接看数据库和锚点，并显示验证公钥，可在服务运行时使用。

    Without --url it looks at database and anchors itself, and shows the verifier keys; it may run beside the service.
    """
    if url:
        seen = _asked(url)
        _show(seen)
    else:
        house = open_archive(installation(), purpose="examine")
        try:
            seen = _looked(house)
            _show(seen)
            say("验证公钥 verifier keys:")
            for log in seen.logs:
                say(f"  {vkey_of(house, log.fonds)}")
        finally:
            house.close()
    wrong = list(_wrong(seen))
    if not wrong:
        say("一切正常。", "All is in order.")
        return
    say(f"有 {len(wrong)} 处需要处理：", f"{len(wrong)} to be looked after:")
    for zh, en in wrong:
        say(f"  ✗ {zh}。", f"    {en}.")
    raise typer.Exit(1)


def vkey_of(house: House, fonds: str) -> str:
    """The verifier key of the log in its present life."""
    with house.desk.db.read() as conn:
        head = head_of(conn, fonds)
    return LogSigner.of(house.desk.keys, fonds, 1 if head is None else head.epoch).vkey


def _looked(house: House) -> Seen:
    now = house.desk.clock.now()
    seen = Seen(now.timestamp(), house.heartbeat_seconds, states(house.publishing))
    for log in seen.logs:
        try:
            house.publishing.check(log.fonds)
        except LogRefused as refused:
            seen.refused[log.fonds] = refused.code
    with house.desk.db.read() as conn:
        behind: list[WitnessLag] = lags(conn, house.desk.panel, [log.fonds for log in seen.logs], to_ms(now))
    seen.witnesses = [(lag.fonds, lag.witness, lag.behind_ms / 1000) for lag in behind]
    return seen


def _asked(url: str) -> Seen:
    """The same from the metrics of a service. CommandFailed, Refused."""
    with Door(url) as door:
        try:
            text = door.request("GET", "/metrics").text
        except Refused as refused:
            if refused.http_status != 404:
                raise
            raise CommandFailed(
                "服务只向本机和内网（ARCHIVE_INTRANET）说明日志状态；请在服务器或内网的机器上运行。",
                "The service tells its state to its own machine and the intranet (ARCHIVE_INTRANET) alone; run this there.",
            ) from None
    values: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name.removeprefix("archive_"), []).append((sample.labels, sample.value))

    def one(name: str) -> float:
        if name not in values:
            raise CommandFailed(
                "服务的应答无法识别；请核对 --url 和服务的版本。", "The answer is not understood; check --url and the service's version."
            )
        return values[name][0][1]

    def of(fonds: str, name: str) -> float | None:
        return next((value for labels, value in values.get(f"log_{name}", ()) if labels["fonds"] == fonds), None)

    logs = [
        LogState(
            fonds=labels["fonds"],
            size=int(size),
            signed=int(of(labels["fonds"], "signed_entries") or 0),
            unsigned_seconds=of(labels["fonds"], "unsigned_seconds") or 0.0,
            newest=of(labels["fonds"], "entry_timestamp_seconds"),
            signed_at=of(labels["fonds"], "checkpoint_timestamp_seconds"),
            beat=of(labels["fonds"], "heartbeat_timestamp_seconds"),
        )
        for labels, size in values.get("log_entries", ())
    ]
    return Seen(
        now=SystemClock().now().timestamp(),
        interval=int(one("log_heartbeat_interval_seconds")),
        logs=logs,
        refused={labels["fonds"]: labels["code"] for labels, _ in values.get("log_publishing_failing", ())},
        witnesses=[(labels["fonds"], labels["witness"], behind) for labels, behind in values.get("log_witness_behind_seconds", ())],
        stuck=[
            (labels["fonds"], labels[whose], labels["code"])
            for name, whose in (("log_witness_failing", "witness"), ("stream_failing", "stream"))
            for labels, _ in values.get(name, ())
        ],
        idle_seconds=one("log_publisher_idle_seconds"),
        commit_seconds=one("commit_oldest_seconds"),
        commits=int(one("commit_waiting")),
        reachable=bool(one("database_reachable")),
    )


def _show(seen: Seen) -> None:
    rows = [
        (
            log.fonds,
            str(log.size),
            str(log.signed),
            "-" if log.size == log.signed else f"{log.size - log.signed} / {log.unsigned_seconds:.0f} s",
            _moment(log.signed_at),
            _moment(log.beat),
            seen.refused.get(log.fonds)
            or ("未签名 unsigned" if log.is_late else "静默 silent" if log.is_silent(seen.now, seen.interval) else "正常 ok"),
        )
        for log in seen.logs
    ]
    columns(
        ("全宗 fonds", "条目 entries", "已签名 signed", "待签 waiting", "签名时间 signed at", "最近心跳 last heartbeat", "状态 state"), rows
    )
    if seen.witnesses:
        columns(
            ("见证人 witness", "全宗 fonds", "落后 behind"),
            [(name, fonds, f"{seconds:.0f} s" if seconds else "-") for fonds, name, seconds in seen.witnesses],
        )


def _wrong(seen: Seen) -> Iterator[tuple[str, str]]:
    """Each thing that is not as it should be: what, and what to do."""
    if not seen.reachable:
        zh, en = "请核对数据库是否在运行、磁盘是否已满", "check that it runs and that its disk is not full"
        yield f"服务连不上数据库：{zh}", f"The service does not reach its database: {en}"
    if seen.commit_seconds > _COMMIT_SECONDS:
        zh, en = "请核对数据库的负载、锁和磁盘", "check load, locks and disk of the database"
        waits = f"{seen.commit_seconds:.0f} s"
        yield (
            f"有操作等候落盘已 {waits}（排队 {seen.commits} 件）：{zh}",
            f"An act has waited {waits} for its commit ({seen.commits} queue): {en}",
        )
    if seen.idle_seconds > _IDLE_SECONDS:
        zh, en = (
            "请看锚点文件夹和数据库能否写入，再重新启动服务",
            "check that anchors and database can be written, then restart the service",
        )
        yield f"签名线程已 {seen.idle_seconds:.0f} 秒没有动作：{zh}", f"The signer has done nothing for {seen.idle_seconds:.0f} s: {en}"
    for fonds, code in sorted(seen.refused.items()):
        zh, en = _STEPS.get(code, _OTHERWISE)
        yield f"{fonds or '全部全宗'}：日志不予签名（{code}）：{zh}", f"{fonds or 'all fonds'}: nothing is signed ({code}): {en}"
    for log in seen.logs:
        if log.fonds in seen.refused:
            continue
        if log.is_late:
            count, waits, most = log.size - log.signed, f"{log.unsigned_seconds:.0f} s", f"{UNSIGNED_SECONDS:.0f} s"
            zh = "请确认服务在运行，并看其日志中的 log.publishing-failed"
            en = "make sure the service runs, and see log.publishing-failed in its log"
            yield (
                f"{log.fonds}：{count} 条日志等候签名已 {waits}（至多应为 {most}）：{zh}",
                f"{log.fonds}: {count} entries have waited {waits} for a signature (at most {most}): {en}",
            )
        elif log.is_silent(seen.now, seen.interval):
            zh = "服务没有运行则请启动；若在运行，请核对时钟，以及这是不是正在使用的数据库"
            en = "start the service; if it runs, check the clock, and whether this is the database in use"
            yield (
                f"{log.fonds}：最后一条日志在 {_moment(log.newest)}，此后连心跳也没有（每 {seen.interval} 秒应有一次）：{zh}",
                f"{log.fonds}: nothing since {_moment(log.newest)}, not even a heartbeat (one is due every {seen.interval} s): {en}",
            )
    for fonds, name, behind in seen.witnesses:
        if behind > _WITNESS_SECONDS:
            zh, en = "请看服务日志中见证人一项，并联系其管理者", "see the service's log about it, and ask whoever runs it"
            yield (
                f"{fonds}：见证人 {name} 落后 {behind:.0f} 秒：{zh}",
                f"{fonds}: the witness {name} is {behind:.0f} s behind: {en}",
            )
    for fonds, name, code in seen.stuck:
        zh, en = "办法见 docs/operations.md 中该代码一行", "see this code in docs/operations.md"
        yield f"{fonds or '全部全宗'}：{name} 未成（{code}）：{zh}", f"{fonds or 'all fonds'}: {name} fails ({code}): {en}"


def _moment(seconds: float | None) -> str:
    return "-" if seconds is None else moment(from_ms(round(seconds * 1000)))
