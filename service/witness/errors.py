"""What is wrong with a witness's own folder, and what its keeper must do then. Nothing is cosigned meanwhile."""

from __future__ import annotations

from foundation.errors import ArchiveError, Conflict


class WitnessFolderMissing(ArchiveError):
    """The folder holds no witness."""

    code = "witness-missing"
    zh = "文件夹 {folder} 中没有见证人；请核对路径，或先运行 witness init。"
    en = "There is no witness in {folder}; check the path, or run `witness init` first."


class WitnessExists(Conflict):
    """A witness is made once; its key is never written over."""

    code = "witness-exists"
    zh = "文件夹 {folder} 中已有见证人，不会覆盖。"
    en = "There already is a witness in {folder}; it is never written over."


class OtherKeyTrusted(Conflict):
    """The log is known under another key. Two keys of one log are two logs, or a forgery."""

    code = "witness-other-key"
    zh = "日志 {origin} 已登记了另一把公钥，不予更换：请向该档案库核实是否有人冒名。"
    en = "The log {origin} is known under another key, which is not exchanged: ask its archive whether somebody forges its name."


class WitnessForgot(ArchiveError):
    """A copy of what was last cosigned is gone, so whether the other one is the newest cannot be told."""

    code = "witness-forgot"
    zh = "日志 {origin} 的见证记录缺了一份（{file}），无法判断另一份是否最新；查明原因后重新运行 witness trust 予以补全。"
    en = "A copy of what was last cosigned of the log {origin} is missing ({file}), so whether the other is the newest cannot be told; \
find out why, then run `witness trust` again, which makes it from the other."


class WitnessStateWrong(ArchiveError):
    """A copy of what was last cosigned is not what this witness wrote, or the two contradict each other."""

    code = "witness-state-wrong"
    zh = "日志 {origin} 的见证记录 {file} 不是本见证人所写，或两份互相矛盾；在查明之前不再签署。"
    en = "What was last cosigned of the log {origin} ({file}) is not as this witness wrote it, or its two copies contradict each other; \
nothing is cosigned until somebody has looked."
