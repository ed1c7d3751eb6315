# One image for everything that runs in production: the command says which part.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# What rarely changes comes first, so that a change of code does not install everything anew.
RUN python -m venv --without-pip /opt/kota-bff
COPY requirements.txt ./
RUN python -m pip --python /opt/kota-bff/bin/python install --require-hashes -r requirements.txt
COPY requirements-build.txt ./
RUN python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements-build.txt

COPY pyproject.toml README.md ./
COPY app app
COPY migrations migrations
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && python -m pip --python /opt/kota-bff/bin/python install --no-deps --no-index /dist/*.whl


FROM python:3.11-slim-bookworm
# A number, so that an orchestrator can see that it is not root. It owns nothing but a place for a sandbox's volume: the
# root file system may be read-only.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kota-bff \
 && install --directory --owner=10001 --group=10001 /var/lib/kota-bff
COPY --from=build /opt/kota-bff /opt/kota-bff
ENV PATH=/opt/kota-bff/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORT=8000 \
    OPS_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000 9090

# Alive, not ready: an outage of the database must not restart everything that waits for it. A worker sets HEALTH_PORT
# to its OPS_PORT.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "import http.client, os, sys; connection = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('HEALTH_PORT') or os.environ['PORT']), timeout=4); connection.request('GET', '/health/live'); sys.exit(connection.getresponse().status != 200)"]

ENTRYPOINT ["kota-bff"]
CMD ["serve", "--host", "0.0.0.0"]
