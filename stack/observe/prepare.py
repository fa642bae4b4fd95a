"""Downloads what `--observe` needs and this machine does not have, and tells what cannot be had."""

from __future__ import annotations

from collections.abc import Iterator

from stack.downloads.jar_sets import OBSERVE_JAR_SETS
from stack.downloads.jars import Progress
from stack.errors import StackError
from stack.observe import programs

PROGRAMS = (programs.PROMETHEUS, programs.ALERTMANAGER, programs.NODE_EXPORTER, programs.POSTGRES_EXPORTER)
INSTALL = "install {name} and put it on PATH, or run this on Debian or Ubuntu, where it is downloaded; {cause}"


def prepared() -> bool:
    """Return whether nothing is to be downloaded."""
    return all(jars.cached() for jars in OBSERVE_JAR_SETS) and all(one.find() for one in PROGRAMS)


def prepare(progress: Progress = lambda done, total, name: None) -> Iterator[str]:
    """Download what is missing; yield a line for each program that cannot be had, without which the rest works.

    `progress` gets the done parts, all parts, and what is being downloaded. Blocks.
    """
    total = len(OBSERVE_JAR_SETS) + len(PROGRAMS)
    for done, jars in enumerate(OBSERVE_JAR_SETS):
        try:
            jars.ensure(progress=telling(progress, done, total))
        except StackError as error:
            yield f"no {jars.title}: {error}"
    for done, wanted in enumerate(PROGRAMS, start=len(OBSERVE_JAR_SETS)):
        progress(done, total, wanted.name)
        if cause := wanted.fetch(lambda text, done=done: progress(done, total, text)):  # type: ignore[misc]  # bound now
            yield f"no {wanted.name}: {INSTALL.format(name=wanted.name, cause=cause)}"
    progress(total, total, "done")


def telling(progress: Progress, done: int, total: int) -> Progress:
    """Return the progress of the jars of one part, as that of the whole."""
    return lambda _, __, name: progress(done, total, name)
