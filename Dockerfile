# syntax=docker/dockerfile:1
# The base image is pinned by tag, so that it gets Debian's security updates; for a build that can be repeated bit by bit
# give its digest: --build-arg PYTHON=3.12-slim-bookworm@sha256:...
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
# Virtual environments, since they can be copied, or left behind, as a whole. First what changes least.
RUN python -m venv /opt/exporter && python -m venv /opt/build
COPY requirements.lock requirements-build.lock ./
# Nothing is taken but what the lock files have the hash of, and nothing that runs code to be built.
RUN /opt/exporter/bin/pip install --require-hashes --only-binary :all: -r requirements.lock \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY client ./client
COPY docs ./docs
# With the client, so that `demo` runs in the image too; without pip, which nobody needs there.
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . ./client \
 && /opt/exporter/bin/pip install --no-index --no-deps /wheels/*.whl \
 && /opt/exporter/bin/pip uninstall --yes pip


FROM python:${PYTHON}

ARG REVISION=unknown
LABEL org.opencontainers.image.title="embedding-drift-exporter" \
      org.opencontainers.image.description="Prometheus exporter for drift of embeddings and retrieval" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/exporter /opt/exporter

# BLAS threads and malloc are set by the program itself. Nothing is written at run time but below /data, where a state
# directory may be: the root file system may be read-only.
ENV PATH="/opt/exporter/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1
RUN install --directory --owner=65532 --group=65532 --mode=0700 /data

# Numeric, so that runAsNonRoot can check it.
USER 65532:65532
EXPOSE 10877

HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:10877/-/healthy', timeout=4)"]

ENTRYPOINT ["embedding-drift-exporter"]
# All addresses of the container; publish the port with the files of docs/security.md, or where the network is trusted.
CMD ["serve", "--listen", "0.0.0.0:10877"]
