"""Whether there is an archive where the settings say, before anything is opened.

SQLite makes an empty file out of a wrong path, and a folder one may not write into reads as a disk that has failed. Neither helps somebody
who has misspelt a folder.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from foundation.database import Database
from foundation.errors import WrongDatabase

_MAGIC = b"SQLite format 3\0"


def must_be_there(db: Database, *, named: str) -> None:
    """WrongDatabase where the SQLite file is not there, is none, or may not be used; `named`: the setting that names it."""
    if db.dialect != "sqlite":
        return
    file = Path(db.url.database or "").absolute()
    may = partial(os.access, effective_ids=os.access in os.supports_effective_ids)
    usable = WrongDatabase(
        why_zh=f"当前用户无权读写 {file} 或其所在文件夹；请以建立档案库的用户运行，或核对 {named}",
        why_en=f"this user may not read and write {file} or its folder; run as the user who founded the archive, or check {named}",
    )
    try:
        there = file.is_file()
    except PermissionError:
        raise usable from None
    if not there:
        zh, en = ("文件夹中没有此文件", "the folder holds no such file") if file.parent.is_dir() else ("文件夹不存在", "no such folder")
        raise WrongDatabase(
            why_zh=f"没有找到档案库 {file}（{zh}）；请核对 {named}，或先用 petition-archive init 建立",
            why_en=f"there is no archive at {file} ({en}); check {named}, or found one with `petition-archive init` first",
        )
    # SQLite keeps its log and shared memory beside the file, also for those who only read.
    if not (may(file.parent, os.R_OK | os.W_OK | os.X_OK) and may(file, os.R_OK | os.W_OK)):
        raise usable
    with file.open("rb") as opened:
        begins = opened.read(len(_MAGIC))
    if begins not in (b"", _MAGIC):
        raise WrongDatabase(why_zh=f"{file} 不是 SQLite 数据库；请核对 {named}", why_en=f"{file} is no SQLite database; check {named}")
