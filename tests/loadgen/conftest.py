from collections.abc import Iterator

import pytest
from fake_platform import Platform, RunningPlatform


@pytest.fixture
def platform() -> Iterator[Platform]:
    with RunningPlatform() as running:
        yield running
