# syntax=docker/dockerfile:1
# Pinned by tag; pinning by digest comes with the supply-chain step.
FROM python:3.12-slim-bookworm AS build

WORKDIR /src
# A virtual environment, since it can be copied as a whole.
RUN python -m venv /opt/exporter
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY client ./client
# With the client, so that `demo` runs in the image too.
RUN /opt/exporter/bin/pip install --no-cache-dir --disable-pip-version-check '.[demo]' ./client


FROM python:3.12-slim-bookworm

LABEL org.opencontainers.image.title="embedding-drift-exporter" \
      org.opencontainers.image.description="Prometheus exporter for drift of embeddings and retrieval" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /opt/exporter /opt/exporter

# BLAS threads and malloc are set by the program itself. Nothing is written at run time: the root file system may be
# read-only.
ENV PATH="/opt/exporter/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1

# Numeric, so that runAsNonRoot can check it.
USER 65532:65532
EXPOSE 10877

HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:10877/-/healthy', timeout=4)"]

ENTRYPOINT ["embedding-drift-exporter"]
# All addresses of the container; publish the port only where the network is trusted: there is no authentication yet.
CMD ["serve", "--listen", "0.0.0.0:10877"]
