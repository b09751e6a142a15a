"""What reading asks of the database does not grow with what is read, and ends where a key does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archive.finding import find
from archive.intake import deposit_many
from archive.reading import view
from case_world import FONDS, World
from petition_records import accusation
from statement_notes import statements_of
from vault.errors import CannotOpen
from vault.store import delete_wraps


def test_a_page_takes_as_many_statements_for_many_cases_and_units_as_for_few(world: World) -> None:
    inspector = world.caller("S-4")
    counts = []
    for part in range(2):
        made = [
            world.record(case_no=f"XF-{part}-{number}", registering_unit_code=("U-1", "U-3", "U-9", "U-0")[number % 4 if part else 0])
            for number in range(12 if part else 1)
        ]
        made.append(accusation() | {"case_no": f"XF-{part}-a"})
        deposit_many(world.desk, world.system, made)
        find(world.desk, inspector, {})
        with statements_of(world.desk.db) as statements:
            page = find(world.desk, inspector, {})
        counts.append((len(page.rows), len(statements)))
    (few, first), (many, second) = counts
    assert many >= few + 12
    assert second == first


@pytest.mark.parametrize(
    "look",
    [lambda world, case_id: view(world.desk, world.caller("S-1"), case_id), lambda world, _: find(world.desk, world.caller("S-1"), {})],
)
def test_a_case_whose_keys_are_gone_is_an_error_and_never_an_empty_view(world: World, look: Callable[[World, str], object]) -> None:
    case_id = deposit_many(world.desk, world.system, [world.record()])[0].case_id  # type: ignore[union-attr]  # a receipt
    look(world, case_id)
    world.do(lambda unit: delete_wraps(unit.conn, FONDS, case_id))
    with pytest.raises(CannotOpen):
        look(world, case_id)
