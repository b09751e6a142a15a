"""Why an import cannot begin or go on. Rows that are refused are answers, not errors: see `depositor.Answer`."""

from __future__ import annotations

from foundation.errors import ArchiveError


class MappingRefused(ArchiveError):
    """The mapping file breaks a rule of its format; nothing was read from the source."""

    code = "mapping-refused"
    zh = "映射文件 {where} 处：{why_zh}"
    en = "Mapping file, at {where}: {why_en}"


class SourceUnreadable(ArchiveError):
    """The source cannot be read from some row on; rows before it stand, and a mended file can be imported again."""

    code = "source-unreadable"
    zh = "来源文件从第 {row} 行起无法读取：{why_zh}"
    en = "The source cannot be read from row {row} on: {why_en}"


class ImportBusy(ArchiveError):
    """Another import of the same file holds its state file."""

    code = "import-busy"
    zh = "同一文件正在由另一个进程导入。"
    en = "Another process is importing the same file."


class StateRefused(ArchiveError):
    """The state file is damaged before its end, so what was answered cannot be told."""

    code = "import-state-refused"
    zh = "导入进度文件第 {line} 行损坏；删除该文件后重新导入不会产生重复案卷。"
    en = "Line {line} of the import's state file is damaged; delete the file and import again, no case will be doubled."
