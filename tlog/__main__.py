"""Verify an exported log, or one entry's receipt, with the archive switched off. 在档案系统关闭的情况下校验日志导出或收录凭证。"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.proof import LogProof
from tlog.tiles import read_regular
from tlog.verify import verify_export

_TEACHING = """
VKEY 是日志的验证公钥，形如 name+1a2b3c4d+AbCd…=，须从导出目录以外的可靠渠道取得：目录里附带的公钥什么也证明不了。
VKEY looks like name+1a2b3c4d+AbCd…= and has to reach you by another way than the export: a key found in DIR proves nothing.

  python3 -m tlog verify ./export --key "$VKEY" --against ./checkpoint-of-last-year
  python3 -m tlog proof receipt.tlog-proof --key "$VKEY"

每次校验后请把 DIR/checkpoint 另存到档案系统够不到的地方，作为下次的 --against。
After each run keep DIR/checkpoint where the archive cannot reach it: it is the --against of the next run.
退出码 / exit status: 0 校验通过 verified, 1 未通过 not verified, 2 用法错误 usage."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python3 -m tlog", description=__doc__)
    acts = parser.add_subparsers(dest="act", required=True)
    verify = acts.add_parser("verify", help="校验整个导出目录 / check a whole export")
    verify.add_argument("dir", metavar="DIR", type=Path, help="导出目录 / the exported directory")
    verify.add_argument("--against", type=Path, metavar="FILE", help="先前保存的检查点 / a checkpoint kept from earlier")
    verify.add_argument("--processes", type=int, default=1, metavar="N", help="并行进程数 / worker processes")
    proof = acts.add_parser("proof", help="校验一条记录的收录凭证 / check the receipt of one entry")
    proof.add_argument("file", metavar="FILE", type=Path, help="收录凭证 / the receipt, a .tlog-proof file")
    proof.add_argument("--entry", type=Path, metavar="FILE", help="条目原文；默认取凭证 extra 行 / the entry; default: the receipt's extra")
    for command in (parser, verify, proof):
        command.epilog, command.formatter_class = _TEACHING, argparse.RawDescriptionHelpFormatter
    for command in (verify, proof):
        command.add_argument("--key", required=True, metavar="VKEY", help="日志的验证公钥 / the log's verifier key")
    return parser


def _bar(done: int, size: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r[{'#' * (30 * done // size):.<30}] {done:,}/{size:,}" + "\n" * (done == size))


def _verify(given: argparse.Namespace, key: VerifierKey) -> str:
    if not given.dir.is_dir():
        raise NotADirectoryError(f"不是目录 / not a directory: {given.dir}")
    against = given.against and read_regular(given.against)
    return str(verify_export(given.dir, key, against=against, progress=_bar, processes=given.processes))


def _proof(given: argparse.Namespace, key: VerifierKey) -> str:
    proof = LogProof.parse(read_regular(given.file))
    log = proof.verify(read_regular(given.entry) if given.entry else proof.extra or b"", key)
    return f"校验通过：条目在日志中 / verified: the entry is in the log\n{log.origin} [{proof.index}/{log.size}]\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 verified, 1 not verified (argparse exits with 2 for usage)."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        key = VerifierKey.parse(given.key)
    except TlogError as error:
        parser.error(f"--key: {error}")
    try:
        sys.stdout.write((_verify if given.act == "verify" else _proof)(given, key))
    except TlogError as error:
        sys.stdout.write(f"校验未通过 / NOT verified [{error.code}]\n{error}\n")
        return 1
    except OSError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
