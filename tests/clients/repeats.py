"""Runs repeats.mjs against a server that loses every other call, and checks the request ids it got: repeats.py FOLDER.

FOLDER has the package @ordermesh/client in its node_modules.
"""

import subprocess
import sys
from pathlib import Path

import grpc
from faulty_server import FaultyServer, refusal
from grpc_status import rpc_status

CALLS = 7


class LosesEveryOther(FaultyServer):
    def _refuse(self, context: grpc.ServicerContext) -> None:
        self.calls += 1
        if self.calls % 2:
            context.abort_with_status(rpc_status.to_status(refusal(grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")))


server = LosesEveryOther()
script = Path(sys.argv[1]) / "repeats.mjs"
script.write_text(Path(__file__).with_name("repeats.mjs").read_text())
subprocess.run(["node", script, f"http://{server.target}"], check=True, timeout=30)
server.stop()
sent = server.request_ids
first, second = sent[0 : 2 * CALLS : 2], sent[1 : 2 * CALLS : 2]
assert first == second, "a call was repeated with another request id"
assert len(set(first)) == CALLS, "two calls had the same request id"
assert all(sent), "a call had no request id"
assert first[3] == "given"
assert len(sent) == 2 * CALLS + 1, "a call that was to be made once was repeated"
print("request ids: 7 calls that were lost were repeated with the same id")
