"""What the desk does with the dead letters of a world."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from auditing import TESTER
from ordermesh.gateway.v1.dead_letters_pb2 import ListDeadLettersRequest
from processor_world import World

from processor.counting import progress
from processor.dead_letters import inspection, redrive
from processor.dead_letters.contents import ContentReader, DeadLetterContent
from processor.dead_letters.inspection import DeadLetterEntry, DeadLetterPlace
from processor.query.dead_letter_source_service import DeadLetterSourceService, PausedPartitionService
from runtime.dead_letter_messages import filter_parameters, origin_message
from runtime.postgres.connections import sync_pool

Place = tuple[str, int, int] | DeadLetterPlace
REDRIVE_SECONDS = 60.0
ORIGIN = origin_message(TESTER)


@contextmanager
def served(world: World, reader_dsn: str) -> Iterator[tuple[DeadLetterSourceService, PausedPartitionService]]:
    """Yield the services of the analytics process, with its own role."""
    with sync_pool(reader_dsn, "tests", 2) as pool:
        yield DeadLetterSourceService(pool, world.settings), PausedPartitionService(pool)


@contextmanager
def connected(world: World) -> Iterator[psycopg.Connection]:
    with progress.connect(world.settings.analytics_dsn.get_secret_value()) as connection:
        yield connection


def listed(world: World, **filters: object) -> list[DeadLetterEntry]:
    """Return the dead letters that match, the oldest first."""
    parameters = filter_parameters(ListDeadLettersRequest(**filters))  # type: ignore[arg-type]
    with connected(world) as connection:
        return inspection.page(connection, parameters, "", 1_000)[1]


def shown(world: World, place: Place) -> DeadLetterContent:
    """Return a dead letter with its bytes."""
    with connected(world) as connection, ContentReader(world.settings) as reader:
        return reader.read(*inspection.find(connection, DeadLetterPlace(*place)))


def redriven(world: World, *places: Place) -> list[str]:
    """Redrive dead letters, and return why not, empty for those that were."""
    wanted = [DeadLetterPlace(*place) for place in places]
    with connected(world) as connection:
        return list(redrive.redrive(world.settings, connection, wanted, TESTER, REDRIVE_SECONDS).values())
