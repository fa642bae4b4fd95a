"""The service of counting workers: keeps as many running as the settings say."""

from __future__ import annotations

from processor import maintenance
from processor.settings import WorkSettings
from processor.worker import Worker
from runtime import logging
from runtime.exit_codes import ExitCode
from runtime.shutdown import on_signal
from runtime.supervise import Supervisor

SERVICE = "processor"
# A worker finishes its transaction, whose statements end after ten seconds at the latest.
GRACE_SECONDS = 12.0


def work() -> int:
    """Run the workers until SIGTERM or SIGINT."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    logging.logger().info("starting", settings=settings.shown())
    supervisor = Supervisor(
        run_worker,
        settings.processor_workers,
        metrics_address=settings.metrics_address,
        grace_seconds=GRACE_SECONDS,
    )
    try:
        supervisor.run()
    except OSError as error:
        logging.logger().error("start failed", error=str(error), address=settings.metrics_address)
        return ExitCode.START_FAILED
    return ExitCode.OK


def run_worker(index: int) -> None:
    """Run one worker in a process of its own; the first one also keeps the tables' partitions."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    stop = on_signal()
    if index == 0:
        maintenance.start(settings, stop)
    Worker(settings, index, stop).run()
