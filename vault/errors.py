"""What the vault refuses. Nothing here ever carries key material, clear text or the reason a decryption failed."""

from __future__ import annotations

from foundation.errors import ArchiveError


class CannotOpen(ArchiveError):
    """A sealed value does not open: wrong key, moved, altered or cut short - deliberately one error for all of them."""

    code = "cannot-open"
    zh = "密封内容无法开启。"
    en = "The sealed content cannot be opened."


class UnknownSuite(ArchiveError):
    """A suite name or number this program does not implement."""

    code = "unknown-suite"
    zh = "不认识的密码套件：{suite}。"
    en = "Unknown cipher suite: {suite}."


class KeyRingError(ArchiveError):
    """Base of everything wrong with the key ring as a whole: the archive cannot start, or cannot go on."""

    code = "key-ring"
    zh = "密钥环不可用。"
    en = "The key ring cannot be used."


class KeyRingMissing(KeyRingError):
    """There is no key ring file where the settings say."""

    code = "key-ring-missing"
    zh = "找不到密钥环文件 {file}；请核对 ARCHIVE_HOME 与 ARCHIVE_KEY_RING，遗失时从密钥备份恢复。"
    en = "There is no key ring at {file}; check ARCHIVE_HOME and ARCHIVE_KEY_RING, or restore it from the key backup where it was lost."


class KeyRingExists(KeyRingError):
    """A key ring is made once; an existing file is never written over."""

    code = "key-ring-exists"
    zh = "密钥环文件已存在，不会覆盖：{file}。"
    en = "There already is a key ring at {file}; it is never written over."


class KeyRingExposed(KeyRingError):
    """The key ring, its folder or the credential can be read or replaced by others than its owner."""

    code = "key-ring-exposed"
    zh = "密钥文件或其目录的权限过宽（{file}，{mode}）：密钥文件应为 0600，目录不得由组或其他用户写入。"
    en = "A key file or its folder is open to others ({file}, {mode}): key files are 0600, their folder is not writable by group or others."


class KeyRingUnreadable(KeyRingExposed):
    """The file is there but this user may not read it, or it is a symbolic link."""

    code = "key-ring-unreadable"
    zh = "无法读取密钥环文件 {file}：当前用户无权读取，或它是符号链接；请以建立档案库的用户运行。"
    en = "The key ring at {file} cannot be read: this user may not, or it is a symbolic link; run as the user who founded the archive."


class KeyRingWrong(KeyRingError):
    """The passphrase or credential is not the one this key ring was locked with."""

    code = "key-ring-wrong-secret"
    zh = "密钥环口令或凭据不正确。"
    en = "The passphrase or credential does not unlock this key ring."


class KeyRingDamaged(KeyRingError):
    """The file is not a whole key ring: cut short, altered, or of a format this program does not know."""

    code = "key-ring-damaged"
    zh = "密钥环文件已损坏或格式不识别：{file}。请从密钥备份恢复。"
    en = "The key ring at {file} is damaged or of an unknown format; restore it from the key backup."


class KeyRingForeign(KeyRingError):
    """The key ring belongs to another installation than the database does."""

    code = "key-ring-foreign"
    zh = "密钥环属于另一套档案系统（{found}），本库为 {expected}。"
    en = "The key ring belongs to another archive ({found}); the database is of {expected}."


class KeyRingStale(KeyRingError):
    """The file on disk is older than what this process already used: a backup was put over it while the archive ran."""

    code = "key-ring-stale"
    zh = "磁盘上的密钥环（第 {found} 版）比正在使用的（第 {used} 版）旧，已停止使用。"
    en = "The key ring on disk (state {found}) is older than the one in use (state {used}); it is not used."


class CredentialUnusable(KeyRingError):
    """The credential file is absent or is not exactly 32 bytes; or a new passphrase is too short."""

    code = "key-ring-credential"
    zh = "无法解锁密钥环：{why_zh}。"
    en = "The key ring cannot be unlocked: {why_en}."


class KeyMissing(KeyRingError):
    """The key ring knows no such key, also after looking at the file again."""

    code = "key-missing"
    zh = "密钥环中没有密钥 {key}（全宗 {fonds}）。"
    en = "The key ring holds no key {key} (fonds {fonds})."


class KeyDestroyed(KeyRingError):
    """The key was destroyed; what was sealed under it is gone for good, which was the purpose."""

    code = "key-destroyed"
    zh = "密钥 {key}（全宗 {fonds}）已销毁，其密封内容不可恢复。"
    en = "Key {key} (fonds {fonds}) was destroyed; what it sealed cannot be recovered."


class KeyStillNeeded(KeyRingError):
    """A key may be destroyed only an hour after it was retired, so that no running act can still be sealing under it."""

    code = "key-still-needed"
    zh = "密钥 {key} 须先停用满 {seconds} 秒方可销毁。"
    en = "Key {key} must have been retired for {seconds} seconds before it can be destroyed."
