"""The service of counting workers: keeps the configured number running."""

from __future__ import annotations

from processor.settings import WorkSettings
from runtime.exit_codes import ExitCode
from runtime.process.process_supervisor import ProcessSupervisor
from runtime.telemetry import logging

SERVICE = "processor"


def main() -> int:
    """Run the workers until SIGTERM or SIGINT."""
    settings = WorkSettings.load()
    logging.configure(SERVICE, settings)
    logging.logger().info("starting", settings=settings.shown())
    supervisor = ProcessSupervisor(
        ("processor.worker",),
        settings.processor_workers,
        metrics_address=settings.metrics_address,
    )
    try:
        supervisor.run()
    except OSError as error:
        logging.logger().error("start failed", error=error, address=settings.metrics_address)
        return ExitCode.START_FAILED
    return ExitCode.OK
