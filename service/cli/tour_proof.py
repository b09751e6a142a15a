"""The last scenes: the log leaves the archive, the archive is switched off, and what is left proves that nothing was rewritten."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from petition_archive_client.client import ArchiveClient
from service.cli.log_copy import copy_log
from service.cli.terminal import out, program
from service.cli.tour_story import Story, check
from tlog.checkpoint import open_checkpoint
from tlog.note import VerifierKey

# Tenths of a second: a minute, the longest interval of checkpoints there is, and a little.
_PATIENCE = 650


def export_and_receipts(story: Story) -> None:
    """The receipt is proved to be in the log, and the log is exported."""
    story.scene("回执证明与日志导出", "The receipt's proof, and the export")
    if story.receipt is None:
        raise RuntimeError("the deposit comes before this scene")
    with ArchiveClient(story.url, client=story.client, key=story.key) as system:
        proven = system.prove(story.receipt, story.vkey)
    story.tell(
        f"业务系统凭公钥自行核对：回执在日志序号 {proven.index}（从 0 起），树根由全部 {proven.log_size} 条算出。",
        f"The case system checks its receipt itself, by the public key: index {proven.index} (from 0) of {proven.log_size} entries.",
    )
    story.export = story.folder / "export"
    _wait_until_signed(story)
    size = copy_log(story.people["auditadmin"].log_file, story.export, key=VerifierKey.parse(story.vkey))
    for door in story.people.values():
        door.close()
    story.tell(
        f"安全审计员导出已签名的 {size} 条日志，刚才的查询和被拒的操作都在其中：只有编号和代码，没有任何人的姓名。",
        f"The security auditor exports the {size} entries that are signed, the questions and refusals just seen among them: ids and codes,"
        " no names.",
    )
    text = b"".join(path.read_bytes() for path in story.export.rglob("*") if path.is_file())
    person = story.case["petitioners"][0]
    held = [person[name] for name in ("name", "mobile", "id_number", "address")] + [story.case["content"]]
    check(holds=not any(value.encode() in text for value in held), zh="日志中没有个人信息", en="no personal data in the log")
    story.proved("日志里找不到信访人的姓名、电话、证件号、住址和内容。", "Nothing of the petitioner is in the log.")


def switched_off(story: Story) -> None:
    """Verify with the service off; then forge one byte and see it found."""
    story.scene("关机校验", "Checked with the service switched off" if story.own else "Checked without the service")
    kept = story.folder / "checkpoint-kept-by-the-inspector"
    kept.write_bytes(story.checkpoint)
    if story.own:
        story.tell(
            "服务已关闭，数据库和密钥环都不再使用。只凭导出的文件、公钥和先前另存的检查点：",
            "The service is off. Files, a key, an old checkpoint:",
        )
    done = _verify(story, kept)
    out.print(done.stdout, markup=False, end="")
    check(holds=done.returncode == 0, zh="日志应通过校验", en="the log should verify")
    bundle = max((path for path in (story.export / "tile" / "entries").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    forged = bytearray(bundle.read_bytes())
    forged[len(forged) // 2] ^= 1
    bundle.write_bytes(forged)
    caught = _verify(story, kept)
    check(holds=caught.returncode == 1, zh="改动应被发现", en="the forgery should be found")
    story.tell("再改动导出文件中的一个比特，重新校验：", "Now one bit of the export is changed, and it is checked again:")
    out.print(caught.stdout, markup=False, end="")
    story.proved("不求信任本系统：改动任何一条，谁都查得出来。", "Nobody has to trust the archive: whatever is changed, anybody can tell.")
    out.print()
    story.tell(f"故事讲完了。再看演示库：{program()} demo", f"That was the story. For an archive to play with: {program()} demo")


def _wait_until_signed(story: Story) -> None:
    """Wait for a checkpoint that covers what the story has shown; a service signs what is new within its `ARCHIVE_PUBLISH_SECONDS`."""
    fetch, waiting, key = story.people["auditadmin"].log_file, threading.Event(), VerifierKey.parse(story.vkey)
    for _ in range(_PATIENCE):
        if open_checkpoint(fetch("checkpoint"), key).size > story.asked:
            return
        waiting.wait(0.1)
    check(holds=False, zh="刚才的记录未被签名", en="what was just recorded was not signed")


def _verify(story: Story, kept: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tlog", "verify", str(story.export), "--key", story.vkey, "--against", str(kept)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)  # noqa: S603  our own module, no shell
