"""A running stack, and the faults that only an operator can repair."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from commands import ordermesh
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from created_topics import make_topics
from front_proxy import ITEM, Platform
from psycopg import sql
from waiting import await_true

from faults.injection.stopped import stopped
from runtime.exit_codes import ExitCode
from runtime.kafka.clients import admin
from runtime.kafka.topics import EVENT_TOPICS, ORDER_EVENTS
from stack.servers.credentials import KAFKA_BROKER
from stack.servers.databases import provision

GROUP = "ordermesh-metrics"
PARTITIONS = 12
METRICS = "SELECT json_object_agg(metric_name || ' ' || dimension, value) FROM sales_metrics WHERE value <> 0"
# The metrics that the orders themselves give.
ORDERED = """
    WITH minute AS (
        SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS minute, total_minor FROM orders
    )
    SELECT json_object_agg(name || ' ' || dimension, value) FROM (
        SELECT 'orders_total' AS name, '' AS dimension, count(*)::numeric AS value FROM orders
        UNION ALL SELECT 'revenue_total', '', sum(total_minor) FROM orders
        UNION ALL SELECT 'cancelled_revenue', '', sum(total_minor) FROM orders WHERE status = 'CANCELLED'
        UNION ALL SELECT 'orders_by_status', status::text, count(*) FROM orders GROUP BY 2
        UNION ALL SELECT 'orders_per_minute', minute, count(*) FROM minute GROUP BY 2
        UNION ALL SELECT 'revenue_per_minute', minute, sum(total_minor) FROM minute GROUP BY 2
        UNION ALL SELECT 'top_products_units', product_id, sum(quantity) FROM order_item GROUP BY 2
        UNION ALL SELECT 'top_products_revenue', product_id, sum(quantity * price_minor) FROM order_item GROUP BY 2
    ) AS m WHERE value <> 0
"""
ITEMS = [ITEM, {"productId": "p2", "quantity": 3, "price": 5}]
UNSENT = "SELECT count(*) FROM event_outbox WHERE status <> 'SENT'"


class BrokenStack(Platform):
    """The stack, with means to break it."""

    def order(self, customer: str = "cust-repair", **more: object) -> dict[str, object]:
        """Create an order of two products."""
        return super().order(customer, items=ITEMS, **more)

    def paid(self, customer: str = "cust-repair") -> str:
        """Create and pay an order."""
        order_id = str(self.order(customer)["orderId"])
        self.pay(order_id)
        return order_id

    def pay(self, order_id: str) -> None:
        """Pay an order."""
        assert self.post(f"/v1/orders/{order_id}:completePayment", {}).status == 200

    @contextmanager
    def traffic(self) -> Iterator[None]:
        """Place and pay orders in the meantime."""
        stop = threading.Event()

        def place() -> None:
            while not stop.is_set():
                self.paid("cust-traffic")

        with ThreadPoolExecutor(1) as beside:
            placing = beside.submit(place)
            try:
                yield
            finally:
                stop.set()
            placing.result()

    def metrics(self) -> dict[str, int]:
        """Return all metrics that are not zero."""
        found: dict[str, int] = self.one("analytics", METRICS)[0]
        return found

    def verdict(self) -> str:
        """Return the verdict of the platform, and what of the metrics differs from the orders themselves."""
        verdict = self.reconcile()
        counted, ordered = self.metrics(), self.one("orders", ORDERED)[0]
        wrong = {name for name in {*counted, *ordered} if counted.get(name) != ordered.get(name)}
        return " ".join([verdict, *sorted(wrong)])

    def run(self, *words: str, code: int = 0) -> str:
        """Run an `ordermesh` command."""
        return ordermesh(self.stack, *words, code=code)

    def refused(self, *words: str) -> str:
        """Run an `ordermesh` command that is refused, and return why."""
        return ordermesh(self.stack, *words, code=ExitCode.START_FAILED)

    def change(self, database: str, *statements: str) -> None:
        """Change a database as its owner."""
        with psycopg.connect(self.stack.context.dsn(f"{database}_owner")) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def back_up(self, database: str) -> None:
        """Copy a database; the services connect to it again afterwards."""
        with psycopg.connect(self.stack.context.admin_dsn, autocommit=True) as connection:
            name, copy = sql.Identifier(database), sql.Identifier(f"{database}_backup")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(copy))
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            try:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (database,)
                )
                owner = sql.Identifier(f"{database}_owner")
                connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {}").format(copy, name, owner))
            finally:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    def restore(self, database: str) -> None:
        """Put the copy in the place of a database, under the services."""
        with psycopg.connect(self.stack.context.admin_dsn, autocommit=True) as connection:
            name, copy = sql.Identifier(database), sql.Identifier(f"{database}_backup")
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(copy, name))
        # A copy does not have the rights to connect.
        provision(self.stack.context.admin_dsn, self.stack.context.credentials)

    def kafka(self) -> AdminClient:
        """Return a new client that may do everything, since one that knew a deleted topic asks for that."""
        return admin(self.stack.context.kafka_settings(KAFKA_BROKER), "tests")

    def await_published(self) -> None:
        """Wait until the outbox is empty."""
        await_true(lambda: self.one("orders", UNSENT) == (0,), "all events are published")

    @staticmethod
    def ends(client: AdminClient) -> dict[TopicPartition, int]:
        """Return the end of each partition of the topics of events."""
        places = [TopicPartition(topic, number) for topic in EVENT_TOPICS for number in range(PARTITIONS)]
        asked = client.list_offsets({place: OffsetSpec.latest() for place in places})
        return {place: future.result().offset for place, future in asked.items()}

    def delete_records(self) -> None:
        """Delete all events of Kafka, as retention does."""
        client = self.kafka()
        places = [TopicPartition(place.topic, place.partition, end) for place, end in self.ends(client).items() if end]
        for future in client.delete_records(places).values():
            future.result()

    def recreate_topic(self) -> None:
        """Delete the topic of orders with all its events, and create it again."""
        client = self.kafka()
        client.delete_topics([ORDER_EVENTS])[ORDER_EVENTS].result()
        await_true(lambda: ORDER_EVENTS not in client.list_topics(timeout=10).topics, "the topic is gone")
        make_topics(client, PARTITIONS)

    @contextmanager
    def stopped_processor(self) -> Iterator[None]:
        """Stop the processor and its workers as they are, and let them go on."""
        pids = [self.stack.pid("processor"), *self.stack.children("processor")]
        with stopped(*pids):
            yield

    def skip_to_ends(self) -> None:
        """Set the offsets of the processor's group to the ends, once the group has no members."""
        client = self.kafka()

        def is_empty() -> bool:
            found = client.describe_consumer_groups([GROUP])[GROUP].result()
            return bool(found.state == ConsumerGroupState.EMPTY)

        def altered() -> bool:
            ends = [TopicPartition(place.topic, place.partition, end) for place, end in self.ends(client).items()]
            try:
                client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP, ends)])[GROUP].result()
            except KafkaException:
                return False
            return True

        await_true(is_empty, "the group has no members")
        await_true(altered, "the group has other offsets")
