"""Runs retries.mjs against a server that fails every other call, and checks the request ids it got: retries.py FOLDER.

FOLDER has the package @ordermesh/client in its node_modules.
"""

import subprocess
import sys
from pathlib import Path

import grpc
from faulty_server import FaultyServer, refusal
from grpc_status import rpc_status

CALLS = 7


class FailsEveryOther(FaultyServer):
    def _refuse(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        if self.calls % 2:
            context.abort_with_status(rpc_status.to_status(refusal(grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")))


server = FailsEveryOther()
script = Path(sys.argv[1]) / "retries.mjs"
script.write_text(Path(__file__).with_name("retries.mjs").read_text())
subprocess.run(["node", script, f"http://{server.target}"], check=True, timeout=30)
server.stop()
sent = server.request_ids
first, second = sent[0 : 2 * CALLS : 2], sent[1 : 2 * CALLS : 2]
assert first == second, "a call was retried with another request id"
assert len(set(first)) == CALLS, "two calls had the same request id"
assert all(sent), "a call had no request id"
assert first[3] == "given"
assert len(sent) == 2 * CALLS + 1, "a call with NEVER was retried"
print("request ids: 7 failed calls were retried with the same id")
