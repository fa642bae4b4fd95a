"""Downloads what `--observe` and `--logs` need and this machine does not have, and tells what cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from stack.downloads import opensearch
from stack.downloads.jar_sets import OBSERVE_JAR_SETS, OPENSEARCH_ARCHIVES
from stack.downloads.jars import Progress
from stack.errors import StackError
from stack.observe import programs
from stack.observe.logs.rsyslog import RSYSLOG
from stack.observe.programs import Wanted

PROGRAMS = (programs.PROMETHEUS, programs.ALERTMANAGER, programs.NODE_EXPORTER, programs.POSTGRES_EXPORTER)
INSTALL = "install {name} and put it on PATH, or run this on Debian or Ubuntu, where it is downloaded; {cause}"
Archives = tuple[str, Callable[..., object]]


def wanted(*, logs: bool) -> tuple[list[Archives], list[Wanted]]:
    """Return what is downloaded of Maven Central, by title with what does it, and the programs of Debian."""
    archives: list[Archives] = [(jars.title, jars.ensure) for jars in OBSERVE_JAR_SETS]
    if not logs:
        return archives, [*PROGRAMS]
    return [*archives, (OPENSEARCH_ARCHIVES.title, opensearch.ensure)], [*PROGRAMS, RSYSLOG]


def prepared(*, logs: bool) -> bool:
    """Return whether nothing is to be downloaded."""
    of_logs = not logs or (opensearch.cached() is not None and RSYSLOG.find() is not None)
    return of_logs and all(jars.cached() for jars in OBSERVE_JAR_SETS) and all(one.find() for one in PROGRAMS)


def prepare(progress: Progress = lambda done, total, name: None, *, logs: bool) -> Iterator[str]:
    """Download what is missing; yield a line for each program that cannot be had, without which the rest works.

    `progress` gets the done parts, all parts, and what is being downloaded. Blocks.
    """
    archives, of_debian = wanted(logs=logs)
    total = len(archives) + len(of_debian)
    for done, (title, ensure) in enumerate(archives):
        try:
            ensure(progress=partial(part_of, progress, done, total))
        except StackError as error:
            yield f"no {title}: {error}"
    for done, program in enumerate(of_debian, start=len(archives)):
        progress(done, total, program.name)
        if cause := program.fetch(partial(progress, done, total)):
            yield f"no {program.name}: {INSTALL.format(name=program.name, cause=cause)}"
    progress(total, total, "done")


def part_of(progress: Progress, done: int, total: int, _: int, __: int, name: str) -> None:
    """Tell the progress of the files of one part as that of the whole."""
    progress(done, total, name)
