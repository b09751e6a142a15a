"""Alive, and ready: for supervisors and load balancers, without a word about anybody."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from service.house import House
from service.http.identity import house_of
from vault.errors import KeyRingError

router = APIRouter(tags=["运行 Running"])


@router.get("/healthz", summary="存活 Alive", responses={200: {"content": {"application/json": {"example": {"status": "ok"}}}}})
async def alive() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", summary="就绪 Ready", responses={503: {"description": "不可用的部分 What is not ready"}})
def ready(house: Annotated[House, Depends(house_of)]) -> JSONResponse:
    """Database, key ring and log can be used; 503 names the part that cannot."""
    parts = {"database": _database(house), "key_ring": _key_ring(house), "log": not house.publisher.failing}
    well = all(parts.values())
    return JSONResponse(
        {"status": "ok" if well else "not-ready", "parts": {name: "ok" if good else "failing" for name, good in parts.items()}},
        status_code=200 if well else 503,
    )


def _database(house: House) -> bool:
    try:
        with house.desk.db.read() as conn:
            return bool(conn.execute(text("SELECT 1")).scalar_one() == 1)
    except SQLAlchemyError:
        return False


def _key_ring(house: House) -> bool:
    try:
        house.desk.keys.refresh()
    except KeyRingError:
        return False
    return True
