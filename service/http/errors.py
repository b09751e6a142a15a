"""What the door itself refuses, before any act is called."""

from __future__ import annotations

from foundation.errors import ArchiveError


class BodyTooLarge(ArchiveError):
    """The body is larger than this operation takes."""

    code = "body-too-large"
    zh = "请求内容超过 {limit} 字节的上限。"
    en = "The body is larger than {limit} bytes."


class UnsupportedType(ArchiveError):
    """The body is of another media type than this operation takes."""

    code = "unsupported-media-type"
    zh = "请求内容的类型须为 {wanted}。"
    en = "The body must be of type {wanted}."


class PreconditionMissing(ArchiveError):
    """The act must say which version it was decided on (RFC 6585, section 3)."""

    code = "if-match-required"
    zh = "须以 If-Match 写明您读取的版本（ETag）。"
    en = "State with If-Match the version (ETag) you have read."


class PreconditionMalformed(ArchiveError):
    """If-Match is not one ETag of ours."""

    code = "if-match-malformed"
    zh = "If-Match 须为本系统给出的单个 ETag。"
    en = "If-Match must be one ETag given by this archive."


class NoSuchRoute(ArchiveError):
    """There is no such operation."""

    code = "no-such-route"
    zh = "没有这一接口；全部接口见 /docs（供人阅读）和 /v1/openapi.json（供程序读取）。"
    en = "There is no such operation; all of them are at /docs, for people, and at /v1/openapi.json, for programs."


class MethodNotAllowed(ArchiveError):
    """The resource has no such method."""

    code = "method-not-allowed"
    zh = "该接口不支持此方法。"
    en = "The resource does not take this method."


class BadRequest(ArchiveError):
    """The request is not one this door understands."""

    code = "bad-request"
    zh = "请求无法识别。"
    en = "The request is not understood."


class AmbiguousRequest(ArchiveError):
    """Something that decides what the request means is said twice; two readers on its way could each believe another."""

    code = "ambiguous-request"
    zh = "请求有歧义：决定其含义的请求头或查询参数出现多次，或同时写明 Content-Length 与 Transfer-Encoding。"
    en = (
        "The request is ambiguous: a header that decides its meaning or a query parameter is there twice, or Content-Length beside"
        " Transfer-Encoding."
    )


class BodyLate(ArchiveError):
    """The body did not arrive in time."""

    code = "body-late"
    zh = "请求内容未在时限内到达。"
    en = "The body did not arrive in time."


class BodiesBusy(ArchiveError):
    """Bodies that are being read and acted on take all the room there is for them."""

    code = "bodies-busy"
    zh = "同时处理的请求内容过多，请稍候重发。"
    en = "Too many bodies are being taken in at once; send it again shortly."


class GrantTypeRefused(ArchiveError):
    """The token endpoint issues tokens to clients that prove themselves with an assertion, and to nobody else (RFC 6749, 5.2)."""

    code = "unsupported-grant-type"
    zh = "仅支持 client_credentials 与 private_key_jwt 断言。"
    en = "Only client_credentials with a private_key_jwt assertion is supported."
