"""What a verification showed and what it cannot show, for people who will rely on it: Chinese first, English beside it."""

from dataclasses import dataclass

from tlog.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a verification that found nothing wrong. `files` counts compared tiles and bundles; `beside` names files not looked at."""

    checkpoint: Checkpoint
    key: str
    against: Checkpoint | None
    entry_bytes: int
    files: int
    beside: tuple[str, ...]

    def proven(self) -> list[str]:
        size, root = self.checkpoint.size, self.checkpoint.root.hex()
        lines = [
            f"检查点由所给公钥签名，日志为 {self.checkpoint.origin} / the checkpoint of {self.checkpoint.origin} is signed by the key given",
            f"全部 {size} 条（{self.entry_bytes} 字节）重算后得到所签树根 {root} / all {size} entries ({self.entry_bytes} bytes) give the signed root",
            f"{self.files} 个瓦片与条目包逐字节相符 / {self.files} tiles and bundles agree byte by byte",
        ]
        if self.against:
            old = self.against.size
            lines.append(f"自先前检查点（前 {old} 条）以来只有追加 / nothing but appending since the earlier checkpoint ({old} entries)")
        return lines

    def unproven(self) -> list[str]:
        lines = [
            "所记之事是否属实、应记之事是否都已记入 / whether what is recorded is true, and whether all that happened was recorded",
            "他人是否见过另一份检查点，除非与其所存检查点或见证人比对 / whether others were shown another checkpoint, unless theirs or a witness's is compared",
            f"第 {self.checkpoint.size} 条以后的记录 / anything after these {self.checkpoint.size} entries",
        ]
        if self.against is None:
            lines.insert(
                0,
                "未给出先前检查点（--against）：持有签名密钥者可能改写历史后重新签名，本次无法发现"
                " / no earlier checkpoint was given (--against): the holder of the signing key could have rewritten history"
                " and signed it again, and this run cannot tell",
            )
        if self.beside:
            lines.append(f"目录中未检查的其他文件 / other files there, not looked at: {', '.join(self.beside[:10])}")
        return lines

    def __str__(self) -> str:
        proven, unproven = ("".join(f"  - {line}\n" for line in lines) for lines in (self.proven(), self.unproven()))
        return f"校验通过 / verified\n公钥 / key: {self.key}\n已证明 / proven:\n{proven}未能证明 / not proven:\n{unproven}"
