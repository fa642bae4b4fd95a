"""Ends a command with one line for an expected error, and with a traceback for any other."""

from __future__ import annotations

import subprocess
import sys

import grpc
import psycopg
from confluent_kafka import KafkaException
from frontdoor.values import EnvoyConfigError

from cli.output.terminal import print_error
from runtime.exit_codes import ExitCode
from stack.errors import SettingInvalid, StackError


def exit_with(error: BaseException) -> None:
    """Print an expected error and exit with its code; raise any other error."""
    expected = describe(error)
    if expected is None:
        raise error
    message, code = expected
    print_error(message)
    sys.exit(code)


def describe(error: BaseException) -> tuple[str, ExitCode] | None:
    """Return the message and exit code of an expected error, None for any other."""
    match error:
        case SettingInvalid():
            return str(error), ExitCode.CONFIG
        case StackError() | EnvoyConfigError():
            return str(error), ExitCode.START_FAILED
        case psycopg.Error():
            return f"PostgreSQL: {str(error).strip()}", ExitCode.UNREACHABLE
        case KafkaException():
            return f"Kafka: {error.args[0].str()}", ExitCode.UNREACHABLE
        case grpc.RpcError():
            call = error if isinstance(error, grpc.Call) else None
            return f"{call.code().name}: {call.details()}" if call else str(error), ExitCode.UNREACHABLE
        case TimeoutError():
            return "no answer in time", ExitCode.UNREACHABLE
        case OSError():
            what = error.strerror or str(error)
            return f"{error.filename}: {what}" if error.filename else what, ExitCode.START_FAILED
        case subprocess.SubprocessError():
            return str(error), ExitCode.START_FAILED
        case KeyboardInterrupt():
            return "interrupted", ExitCode.INTERRUPTED
    return None
