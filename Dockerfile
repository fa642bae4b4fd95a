# One image for all services; the command selects one: `orders serve`, `orders publish`, `processor work`, `gateway`, ...
# To pin the base by digest: scripts/pin_images.py.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY deploy/image/build.lock deploy/image/core.lock ./
# Only the packages of the services: no local servers, no engine of the fast lane, no tools.
# What builds and downloads is in an environment of its own, which the image does not get.
RUN python -m venv /build/tools \
    && /build/tools/bin/pip install --quiet --require-hashes -r build.lock \
    && python -m venv /opt/ordermesh \
    && /opt/ordermesh/bin/pip install --quiet --only-binary :all: --require-hashes -r core.lock
COPY pyproject.toml README.md ./
COPY gen ./gen
COPY runtime ./runtime
COPY gateway ./gateway
COPY orders ./orders
COPY processor ./processor
COPY loadgen ./loadgen
COPY stack ./stack
COPY cli ./cli
COPY envoy ./envoy
COPY deploy/collector ./deploy/collector
COPY deploy/logs ./deploy/logs
COPY deploy/observe ./deploy/observe
COPY deploy/prometheus ./deploy/prometheus
RUN /build/tools/bin/pip wheel --quiet --no-build-isolation --no-deps --wheel-dir wheels ./gen . \
    && /opt/ordermesh/bin/pip install --quiet --no-deps wheels/*.whl \
    && install -D -m 644 "$(/build/tools/bin/python -m stack.downloads fetch swagger-ui)"/*.jar \
        /opt/ordermesh/share/swagger-ui.jar \
    && install -D -m 644 "$(/build/tools/bin/python -m stack.downloads fetch jmx-exporter)"/*.jar \
        /opt/ordermesh/share/agent/jmx_prometheus_javaagent.jar \
    && /opt/ordermesh/bin/pip uninstall --quiet --yes pip setuptools \
    && find /opt/ordermesh/lib -name '*.js.map' -delete -o -name '*.css.map' -delete \
    && /opt/ordermesh/bin/python -m compileall -q -j 2 /opt/ordermesh/lib
COPY deploy/image/healthy.py /opt/ordermesh/bin/healthy.py

FROM ${BASE}
LABEL org.opencontainers.image.title="ordermesh" \
      org.opencontainers.image.description="Order processing and analytics: the services, without the servers they use" \
      org.opencontainers.image.licenses="Apache-2.0"
# The user owns only the folder that is shared with other containers; Envoy's user owns the one of keys.
RUN groupadd --system --gid 10001 ordermesh \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ordermesh \
    && install -d -o 10001 -g 10001 /config \
    && install -d -o 101 -g 101 -m 700 /keys
COPY --from=build /opt/ordermesh /opt/ordermesh
ENV PATH=/opt/ordermesh/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 \
    ORDERMESH_GATEWAY_SWAGGER_UI_JAR=/opt/ordermesh/share/swagger-ui.jar
USER 10001:10001
WORKDIR /tmp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "/opt/ordermesh/bin/healthy.py"]
ENTRYPOINT ["python", "-m"]
CMD ["cli", "--help"]
