"""The line of `ordermesh status` about the reconciliation of every minute."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse

from cli.pipeline.reconciled import reconciled_line

State = PipelineStatus.Reconciliation
BEGAN = Timestamp(seconds=1_800_000_000)
LINES = {
    "reconciliation: exact up to 08:00:00 UTC: 5 published events, 1 dead letter (23 s ago)": State(
        verdict=ReconcileResponse.AGREES,
        exact_until_time=BEGAN,
        start_time=BEGAN,
        age_seconds=23,
        summary="5 published events, 1 dead letter",
    ),
    "reconciliation: exact up to 08:00:00 UTC: all (90 s ago, then kafka is unavailable)": State(
        summary="all",
        verdict=ReconcileResponse.AGREES,
        exact_until_time=BEGAN,
        start_time=BEGAN,
        age_seconds=90,
        problem="kafka is unavailable",
    ),
    "reconciliation: nothing differs, events are in flight: 9 in flight (2 s ago)": State(
        verdict=ReconcileResponse.IN_FLIGHT, summary="9 in flight", start_time=BEGAN, age_seconds=2
    ),
    "reconciliation: differs: 2 events lost (2 s ago); `ordermesh verify` names the differences": State(
        verdict=ReconcileResponse.DIFFERS, summary="2 events lost", start_time=BEGAN, age_seconds=2
    ),
    "reconciliation: no verdict for 1,200 s: orders is unavailable": State(
        summary="agreed once", start_time=BEGAN, age_seconds=1200, problem="orders is unavailable"
    ),
    "reconciliation: no verdict for 3 s since the gateway started": State(age_seconds=3),
}


@pytest.mark.parametrize(("line", "state"), LINES.items(), ids=range(len(LINES)))
def test_the_line_says_up_to_when_it_is_exact_or_what_is_wrong(line: str, state: State) -> None:
    assert reconciled_line(state).plain == line
