"""The pages of docs/ that are made from the rules, each with its text as it has to stand. Run as a script, it writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from audit import kinds
from policies import access_matrix_doc, field_docs
from policies.rulebook.load import base

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGES: Final[dict[str, Callable[[], str]]] = {
    "access-matrix.md": lambda: access_matrix_doc.render(base()),
    "audit-kinds.md": kinds.render,
    "fields.md": lambda: field_docs.render(base()),
}

if __name__ == "__main__":
    for name, text in PAGES.items():
        (DOCS / name).write_bytes(text().encode())
