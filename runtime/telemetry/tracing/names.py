"""Names of OpenTelemetry's semantic conventions, as of version 1.38.

Those of databases are stable; those of RPC and messaging still change, so they are only here.
"""

from __future__ import annotations

ERROR_TYPE = "error.type"

RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.response.status_code"
GRPC = "grpc"

DB_SYSTEM = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION = "db.operation.name"
DB_COLLECTION = "db.collection.name"
DB_BATCH_SIZE = "db.operation.batch.size"
POSTGRESQL = "postgresql"

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_PARTITION = "messaging.destination.partition.id"
MESSAGING_GROUP = "messaging.consumer.group.name"
MESSAGING_BATCH = "messaging.batch.message_count"
MESSAGING_SIZE = "messaging.message.body.size"
KAFKA_KEY = "messaging.kafka.message.key"
KAFKA_OFFSET = "messaging.kafka.offset"
KAFKA = "kafka"

NAMESPACE = "ordermesh"
SERVICE_NAME = "service.name"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE = "service.instance.id"
HOST_NAME = "host.name"
PROCESS_ID = "process.pid"

# Our own.
ORDER_ID = "ordermesh.order.id"
EVENT_ID = "ordermesh.event.id"
EVENT_TYPE = "ordermesh.event.type"
OUTBOX_ID = "ordermesh.outbox.id"
DUPLICATE = "ordermesh.event.duplicate"
