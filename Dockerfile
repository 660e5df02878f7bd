# One image for every part; what a container runs is its command (docker-compose.yml).

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/sanyuan
WORKDIR /source
# Nothing is installed whose SHA-256 is not in this file.
COPY requirements/run.txt requirements/
RUN /opt/sanyuan/bin/pip install --quiet --no-deps --require-hashes -r requirements/run.txt
COPY libs libs
COPY services services
RUN /opt/sanyuan/bin/pip install --quiet --no-deps --no-build-isolation \
        libs/common libs/client libs/sandbox services/identity services/license-exchange services/catalog services/audit \
    && /opt/sanyuan/bin/python -m compileall -q /opt/sanyuan/lib

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Sanyuan" \
      org.opencontainers.image.licenses="Apache-2.0"
# 1000 is also the user of Kafka's image, which reads the broker's settings from a shared volume.
RUN useradd --uid 1000 --create-home sanyuan \
    && install --directory --owner sanyuan --mode 0700 /var/lib/sanyuan /var/lib/sanyuan/kafka
COPY --from=build /opt/sanyuan /opt/sanyuan
COPY LICENSE /usr/share/doc/sanyuan/
ENV PATH=/opt/sanyuan/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SANYUAN_VAR=/var/lib/sanyuan XDG_CACHE_HOME=/tmp/cache XDG_STATE_HOME=/tmp/state
USER sanyuan
WORKDIR /var/lib/sanyuan
VOLUME /var/lib/sanyuan
CMD ["sanyuan", "--help"]
