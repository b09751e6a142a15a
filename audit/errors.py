"""What can go wrong in the log, and what must be done then."""

from __future__ import annotations

from foundation.errors import ArchiveError, Conflict, NotFound


class EntryRefused(ArchiveError):
    """An event does not have the form the log accepts: a mistake in the calling code. `rule` and `path` say where, never the value."""

    code = "entry-refused"
    zh = "审计条目不符合格式：{path}（{rule}）。"
    en = "The audit entry is not well-formed: {path} ({rule})."


class NotYetPublished(Conflict):
    """The entry is durable, but no signed checkpoint covers it yet; ask again in a second."""

    code = "not-yet-published"
    zh = "该条目已落盘，尚未被签名检查点覆盖，请稍后再取。"
    en = "The entry is durable, but no signed checkpoint covers it yet. Ask again in a moment."


class NoSuchEntry(NotFound):
    """No entry of this fonds has that id."""

    code = "entry-not-found"


class NoSuchTile(NotFound):
    """The log has no such tile, bundle or checkpoint (yet)."""

    code = "tile-not-found"


class LogRefused(ArchiveError):
    """The stored log does not agree with what the archive remembers having signed: nothing is signed until somebody has looked."""

    code = "log-refused"
    zh = "全宗 {fonds} 的日志与已签名的检查点不符。"
    en = "The log of fonds {fonds} does not agree with what was signed."


class LogRolledBack(LogRefused):
    """The database holds fewer entries than were signed: an old backup, or a deletion."""

    code = "log-rolled-back"
    zh = "全宗 {fonds} 的日志被回退：已签名 {signed} 条，数据库只有 {found} 条。恢复的备份须经带记录的命令准入。"
    en = "The log of fonds {fonds} was rolled back: {signed} entries were signed, the database holds {found}. \
A restored backup must be admitted by a logged command."


class LogForked(LogRefused):
    """The database holds another history than the one that was signed."""

    code = "log-forked"
    zh = "全宗 {fonds} 的日志历史与已签名的不同（大小 {signed}：{why}）。"
    en = "The log of fonds {fonds} has another history than the one that was signed (size {signed}: {why})."


class AnchorMissing(LogRefused):
    """The database has checkpoints, but the memory of the last one outside it is gone: whether it is the newest cannot be told."""

    code = "log-anchor-missing"
    zh = "全宗 {fonds} 缺少数据库之外保存的最近检查点，无法判断数据库是否为旧备份；请核对 ARCHIVE_ANCHORS 所指的文件夹。"
    en = "The last checkpoint of fonds {fonds} kept outside the database is missing, so whether this is an old backup cannot be told; \
check the folder of ARCHIVE_ANCHORS."


class AnchorUnreadable(LogRefused):
    """The anchor file exists but is not a checkpoint of this log, or its signature does not hold."""

    code = "log-anchor-unreadable"
    zh = "全宗 {fonds} 在数据库之外保存的检查点无法读取或签名无效。"
    en = "The checkpoint of fonds {fonds} kept outside the database cannot be read, or its signature does not hold."


class NothingToAdmit(Conflict):
    """The database agrees with the anchor: there is no restoration to admit."""

    code = "log-nothing-to-admit"
    zh = "全宗 {fonds} 的日志与已签名的检查点一致，无需准入。"
    en = "The log of fonds {fonds} agrees with what was signed; there is nothing to admit."


class ExportDiffers(ArchiveError):
    """A file of an earlier export differs from what the log says: one of the two was tampered with."""

    code = "log-export-differs"
    zh = "导出目录中的文件与日志不符：{path}。已写出的瓦片不会改变，请查明后换一个空目录导出。"
    en = "A file of the export differs from the log: {path}. Tiles never change; find out why, then export to an empty directory."


class LogDamaged(ArchiveError):
    """`fsck` found the first thing wrong: where, and what."""

    code = "log-damaged"
    zh = "全宗 {fonds} 的日志存储受损：{where}（{what}），条目按从 0 起的序号指明。"
    en = "The stored log of fonds {fonds} is damaged: {where} ({what}); entries are named by their index, from 0."


class BadQuestion(ArchiveError):
    """A question to the trail that cannot be answered: a limit out of bounds, an unknown kind, a malformed id."""

    code = "log-question-invalid"
    zh = "审计查询条件 {member} 无效。"
    en = "The question to the log is not valid: {member}."


class NotWitnessed(ArchiveError):
    """Fewer witnesses than asked for have cosigned the checkpoint: it may be one that only some were shown."""

    code = "log-not-witnessed"
    zh = "检查点的有效见证签名为 {found} 个，要求至少 {needed} 个。"
    en = "The checkpoint has {found} valid cosignatures of the witnesses named; {needed} are asked for."


class AnswerTooLarge(ArchiveError):
    """More entries concern the subject than one answer with proofs takes."""

    code = "log-answer-too-large"
    zh = "涉及该对象的条目超过 {most} 条，无法在一份带证明的答复中给出；请导出整个日志。"
    en = "More than {most} entries concern this subject, more than one answer with proofs takes; export the log instead."
