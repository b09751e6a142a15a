"""`python -m tlog`: verify an exported log, or one receipt, with the archive switched off."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tlog.errors import KeyMalformed, TlogError
from tlog.note import VerifierKey
from tlog.proof import LogProof
from tlog.verify import Progress, verify_export

VERIFIED, NOT_VERIFIED, USAGE = 0, 1, 2

_EPILOG = """
VKEY 是日志的验证公钥，形如 name+1a2b3c4d+AbCd…=。务必从日志运行方以外的可靠渠道取得：随导出目录附带的公钥什么也证明不了。
The VKEY looks like name+1a2b3c4d+AbCd…= and must come to you by another way than the export: a key found in DIR proves nothing.

  python -m tlog verify ./export --key "$VKEY" --against ./checkpoint-of-last-year
  python -m tlog proof receipt.tlog-proof --key "$VKEY" --entry entry.json

每次校验后请自行保存 DIR/checkpoint，作为下次的 --against。
After each run keep DIR/checkpoint where the archive cannot reach it: it is the --against of the next run.
退出码 / exit status: 0 通过 verified, 1 未通过 not verified, 2 用法错误 usage."""


def _vkey(text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except KeyMalformed as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _file(text: str) -> bytes:
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from error


def _directory(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: 不是目录 / not a directory")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tlog", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawTextHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True)
    for act, target, read, zh_en in (
        ("verify", "dir", _directory, "校验整个导出目录 / check a whole export"),
        ("proof", "file", _file, "校验一条记录的收录凭证 / check the receipt of one entry"),
    ):
        command = acts.add_parser(act, help=zh_en, description=zh_en, epilog=_EPILOG, formatter_class=argparse.RawTextHelpFormatter)
        command.add_argument("target", metavar=target.upper(), type=read)
        command.add_argument("--key", required=True, type=_vkey, metavar="VKEY", help="日志的验证公钥 / the log's verifier key")
        command.add_argument("--origin", help="日志名称，缺省为公钥名称 / the log's name, by default the key's")
        if act == "proof":
            command.add_argument("--entry", required=True, type=_file, metavar="FILE", help="条目原文 / the entry's exact bytes")
        else:
            command.add_argument("--against", type=_file, metavar="FILE", help="先前保存的检查点 / a checkpoint kept from earlier")
            command.add_argument("--processes", type=int, default=1, metavar="N", help="并行进程数 / worker processes (1)")
    return parser


def _bar(done: int, size: int) -> None:
    filled = 30 * done // size
    end = "\n" if done == size else ""
    sys.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done:,}/{size:,}{end}")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        if given.act == "proof":
            proof = LogProof.parse(given.target)
            checkpoint = proof.verify(given.entry, given.key, given.origin)
            where = f"{checkpoint.origin}: {proof.index} / {checkpoint.size}"
            sys.stdout.write(f"校验通过：该条目在日志中 / verified: the entry is in the log\n{where}\n")
        else:
            progress: Progress | None = _bar if sys.stderr.isatty() else None
            report = verify_export(
                given.target, given.key, origin=given.origin, against=given.against, progress=progress, processes=given.processes
            )
            sys.stdout.write(str(report))
    except TlogError as error:
        sys.stdout.write(f"校验未通过 / NOT verified\n{error.code}\n{error.zh}\n{error.en}\n")
        return NOT_VERIFIED
    return VERIFIED


if __name__ == "__main__":
    sys.exit(main())
