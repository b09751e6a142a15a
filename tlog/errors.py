"""What can be wrong with a log: one tree of errors, each with a stable code, two languages and its evidence."""

import re


class TlogError(Exception):
    """Root of the tree. `code` is the class name in kebab case, `text` Chinese / English. `evidence` is safe to print: never an entry."""

    code = "tlog-error"
    text = "日志校验失败 / the log failed verification"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=.)([A-Z])", r"-\1", cls.__name__).lower()

    def __init__(self, **evidence: str | int) -> None:
        super().__init__()
        self.evidence = evidence

    def __str__(self) -> str:
        return self.text.format_map(self.evidence)


class Malformed(TlogError):
    text = "{what} 格式不符：{rule} / malformed {what}: {rule}"


class SignatureInvalid(TlogError):
    text = "公钥 {key} 的签名无效 / the signature by key {key} is not valid"


class NoKnownSignature(TlogError):
    text = "没有所给公钥的签名（{keys}） / no signature by any key given ({keys})"


class OriginMismatch(TlogError):
    text = "检查点属于另一日志：应为 {expected}，实为 {found} / the checkpoint is of another log: expected {expected}, found {found}"


class RangeInvalid(TlogError):
    text = "位置 {index} 不在大小为 {size} 的树内 / position {index} does not lie in a tree of size {size}"


class InclusionFailed(TlogError):
    text = "不能证明序号 {index} 的条目在大小为 {size} 的树中：{reason} / index {index} is not proved to be in the tree of {size}: {reason}"


class ConsistencyFailed(TlogError):
    text = "历史被改写：大小 {new} 的树不是大小 {old} 的延续，{reason} / history was rewritten: size {new} does not extend {old}, {reason}"


class RolledBack(TlogError):
    text = "日志被回退：先前大小 {old}，现仅 {new} / the log was rolled back: its size was {old} and is now only {new}"


class RootMismatch(TlogError):
    text = "由 {size} 个条目重算的树根 {found} 不是所签的 {signed} / the root of the {size} entries is {found}, not the signed {signed}"


class FileMissing(TlogError):
    text = "缺少文件：{path} / file is missing: {path}"


class FileUnreadable(TlogError):
    text = "无法读取文件：{path}（{reason}） / file cannot be read: {path} ({reason})"


class FileDiffers(TlogError):
    text = "文件与由条目重算的结果不符：{path}，{reason} / file is not what the entries give: {path}, {reason}"


class FileBeyondCheckpoint(TlogError):
    text = (
        "文件超出检查点大小 {size}，不受其签名保护：{path}（日志被回退，或复制时仍在增长） / file lies beyond the checkpoint's size {size},"
        " where its signature does not reach: {path} (the log was rolled back, or was growing while it was copied)"
    )
