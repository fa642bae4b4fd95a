"""The sets of jars: Apache Kafka for the local broker, Swagger UI for the gateway's API documentation.

Those of OBSERVE_JAR_SETS are for `ordermesh up --observe` alone: Zipkin, and the agent that exports Kafka's figures.
Those of OPENSEARCH_ARCHIVES are for `ordermesh up --logs`.
"""

from __future__ import annotations

from pathlib import Path

from stack.downloads.jars import JarSet

KAFKA_VERSION = "4.3.1"
SWAGGER_UI_VERSION = "5.34.1"
ZIPKIN_VERSION = "3.6.1"
JMX_EXPORTER_VERSION = "1.0.1"
# The newest of which Maven Central has the plugin too, whose version must be the same.
OPENSEARCH_VERSION = "3.4.0"
KAFKA_JARS = JarSet(
    "kafka",
    "Apache Kafka",
    KAFKA_VERSION,
    # The exclamation mark keeps the logging binding from changing the versions of other jars.
    (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"),
)
# One jar with the files of the npm package swagger-ui-dist.
SWAGGER_UI_JARS = JarSet(
    "swagger-ui", "Swagger UI", SWAGGER_UI_VERSION, (f"org.webjars:swagger-ui:{SWAGGER_UI_VERSION}",)
)
JAR_SETS = (KAFKA_JARS, SWAGGER_UI_JARS)
ZIPKIN_JARS = JarSet(
    "zipkin",
    "Zipkin",
    ZIPKIN_VERSION,
    (f"io.zipkin:zipkin-server:{ZIPKIN_VERSION}:exec",),
)
JMX_EXPORTER_JARS = JarSet(
    "jmx-exporter",
    "JMX exporter",
    JMX_EXPORTER_VERSION,
    (f"io.prometheus.jmx:jmx_prometheus_javaagent:{JMX_EXPORTER_VERSION}",),
)
OBSERVE_JAR_SETS = (ZIPKIN_JARS, JMX_EXPORTER_JARS)
OPENSEARCH_ARCHIVES = JarSet(
    "opensearch",
    "OpenSearch",
    OPENSEARCH_VERSION,
    (
        f"org.opensearch.distribution.integ-test-zip:opensearch:{OPENSEARCH_VERSION}@zip",
        f"org.opensearch.plugin:opensearch-security:{OPENSEARCH_VERSION}.0@zip",
    ),
)


def swagger_ui_jar() -> Path | None:
    """Return the jar of Swagger UI, None when it is not downloaded."""
    folder = SWAGGER_UI_JARS.cached()
    (jar,) = SWAGGER_UI_JARS.locked()
    return None if folder is None else folder / jar.filename
