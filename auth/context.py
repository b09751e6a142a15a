"""What the acts of auth work with, put together once by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from auth.lockout import Sources
from auth.passwords import Passwords
from auth.policy import AuthPolicy
from auth.tokens import AccessTokens, Assertions
from auth.totp import SealFactor
from foundation.clock import Clock
from foundation.database import Database
from foundation.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class AuthContext:
    """`policy_of` gives a fonds' rules; `seal_factor` and `open_factor` come from the vault; `issuer` is shown in authenticator apps."""

    db: Database
    uow: UnitOfWork
    clock: Clock
    passwords: Passwords
    sources: Sources
    policy_of: Callable[[str], AuthPolicy]
    seal_factor: SealFactor
    open_factor: SealFactor
    access_tokens: AccessTokens
    assertions: Assertions
    issuer: str
