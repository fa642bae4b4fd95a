"""Which tests share servers, which take long, and which need servers at all."""

# Tests that share servers run in one process, one after the other. What is in no group is a group with its file.
GROUPS = {
    "tests/e2e/": "platform",
    "tests/alerts/test_alerting.py": "platform",
    "tests/runbook/test_broker_pages.py": "three brokers",
    "tests/runbook/": "runbook",
    "tests/qualify/": "lane",
    # Each of these starts one stack of its own, or shares that of the tests with keys.
    "tests/security/test_order_ownership.py": "keys",
    "tests/security/test_dashboard_session.py": "keys",
    "tests/security/test_audit_with_keys.py": "keys",
    "tests/security/test_api_keys.py": "keys",
    "tests/security/test_authorisation_matrix.py": "keys",
    "tests/security/test_host_attacks.py": "host",
    "tests/security/test_edge_attacks.py": "faults",
    "tests/security/test_kafka_attacks.py": "faults",
    "tests/security/": "platform",
    "tests/stack/supervision/test_supervisor.py": "faults",
    "tests/repair/": "repair",
    "tests/envoy/": "envoy",
    "tests/orders/": "orders",
    # It has a broker of its own, and takes a third of the processor's time.
    "tests/processor/consume/test_offsets.py": "offsets",
    "tests/processor/": "processor",
    "tests/clients/": "clients",
}
# Tests of these files share nothing and mostly wait: each may run in any process.
SHARING_NOTHING = ("tests/loadgen/test_session.py",)
# What takes long comes first, so that no process is alone at the end; `make test` shows durations.
LONGEST_FIRST = (
    "orders",
    "platform",
    "processor",
    "faults",
    "repair",
    "tests/cli/local/test_lifecycle.py",
    "tests/cli/pipeline/test_readiness.py",
    "host",
    "clients",
    "offsets",
    "lane",
    "tests/stack/servers/test_pooler.py",
    "tests/cli/test_cli.py",
    "keys",
    "envoy",
    "tests/gateway/watch/test_orders_stream.py",
    "tests/gateway/test_gateway_process.py",
    "tests/stack/servers/test_kafka.py",
    "tests/runtime/process/test_child_processes.py",
)
# `make test-fast` leaves out what starts servers or programs: these files, and whatever uses these fixtures.
WITH_SERVERS = (
    "tests/alerts/",
    "tests/bench/test_bench_pipelines.py",
    "tests/cli/local/test_few_descriptors.py",
    "tests/cli/local/test_lifecycle.py",
    "tests/cli/local/test_other_ports.py",
    "tests/cli/pipeline/",
    "tests/cli/test_",
    "tests/clients/",
    "tests/cluster/",
    "tests/dashboard/",
    "tests/docs/test_guides.py",
    "tests/docs/test_pages.py",
    "tests/e2e/",
    "tests/envoy/",
    "tests/faults/test_known_bugs.py",
    "tests/gateway/backends/test_event_topics.py",
    "tests/gateway/test_gateway_process.py",
    "tests/gateway/watch/test_metrics_stream.py",
    "tests/gateway/watch/test_orders_stream.py",
    "tests/loadgen/test_session.py",
    "tests/processor/test_programs.py",
    "tests/observe/",
    "tests/qualify/",
    "tests/repair/",
    "tests/runbook/",
    "tests/security/",
    "tests/runtime/postgres/test_connecting.py",
    "tests/runtime/process/test_child_processes.py",
    "tests/soak/",
    "tests/stack/backup/test_recovery.py",
    "tests/stack/servers/",
    "tests/stack/supervision/",
    "tests/stack/test_",
    "tests/supply_chain/test_reproducible.py",
    "tests/supply_chain/test_sbom.py",
)
# `make test` shows each capability on one healthy platform, and the rules of each package. `make test-more` runs these,
# and the tests that are marked so: faults and restarts, attacks by other accounts, other modes, client packages.
MORE = (
    "tests/bench/",
    "tests/cli/local/test_lifecycle.py",
    "tests/cli/pipeline/test_readiness.py",
    "tests/clients/",
    "tests/cluster/",
    "tests/compose/test_compose_kafka.py",
    "tests/compose/test_tls_files.py",
    "tests/docs/test_guides.py",
    "tests/faults/test_known_bugs.py",
    "tests/orders/writes/test_failover.py",
    "tests/processor/consume/test_offsets.py",
    "tests/qualify/",
    "tests/repair/",
    "tests/security/test_api_keys.py",
    "tests/security/test_authorisation_tokens.py",
    "tests/security/test_edge_attacks.py",
    "tests/security/test_host_attacks.py",
    "tests/security/test_kafka_attacks.py",
    "tests/security/test_kafka_tls.py",
    "tests/security/test_limits.py",
    "tests/security/test_postgres_tls.py",
    "tests/security/test_service_tls.py",
    "tests/security/test_tls.py",
    "tests/soak/",
    "tests/stack/backup/test_recovery.py",
    "tests/stack/servers/test_pooler.py",
    "tests/stack/supervision/test_supervisor.py",
)
SERVER_FIXTURES = {"state", "broker", "place", "persons_place"}


def group_of(nodeid: str) -> str:
    """Return the name of the group in whose process a test runs."""
    path = nodeid.partition("::")[0]
    return next((name for start, name in GROUPS.items() if path.startswith(start)), path)
