"""The groups of tests name files and folders that exist, also after somebody renames one."""

from pathlib import Path

import pytest
from groups import GROUPS, LONGEST_FIRST, MORE, SHARING_NOTHING, WITH_SERVERS

ROOT = Path(__file__).parents[2]
NAMED = {name for name in LONGEST_FIRST if name not in GROUPS.values()}
PATHS = sorted({*GROUPS, *MORE, *WITH_SERVERS, *SHARING_NOTHING, *NAMED})


@pytest.mark.parametrize("start", PATHS)
def test_a_path_of_a_group_exists(start: str) -> None:
    assert list(ROOT.glob(f"{start.rstrip('/')}*"))


def test_a_name_of_a_group_is_used() -> None:
    assert set(GROUPS.values()) <= set(LONGEST_FIRST)
