"""What can go wrong with a stream."""

from __future__ import annotations

from foundation.errors import ArchiveError


class StreamsRefused(ArchiveError):
    """The file of streams cannot be used; nothing is sent and nothing is served."""

    code = "streams-refused"
    zh = "外送配置 {file} 被拒绝，服务不启动：{why_zh}"
    en = "The file of streams {file} was refused, so nothing is served: {why_en}"


class DeliveryFailed(Exception):
    """The receiver did not take a batch, or it is not known that it did. `code` says why in a word, `wait` how long it asked for."""

    def __init__(self, code: str, *, wait: float = 0.0) -> None:
        """Keep the code: no address, no path and no answer of the receiver is part of it."""
        super().__init__(code)
        self.code = code
        self.wait = wait
