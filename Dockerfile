# Nod in a container: every dependency by its hash, a numeric user, and nothing written outside /data, which holds the
# database, the audit's key and its checkpoints. The environment must bring NOD_SECRET (README, Environment).

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.txt requirements-dev.txt ./
RUN python -m venv /opt/nod \
 && /opt/nod/bin/pip install --require-hashes --only-binary=:all: -r requirements.txt
# The build backend and what it needs, by the hashes that the tests use.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' \
        requirements-dev.txt > requirements-build.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary=:all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY adapters adapters
COPY nod nod
COPY sandbox sandbox
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/nod/bin/pip install --no-deps --no-index /dist/*.whl

FROM python:3.12-slim
ENV HOME=/data \
    PATH=/opt/nod/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NOD_CONFIG=/etc/nod/nod.yaml \
    NOD_DATABASE_URL=sqlite:////data/nod.db \
    NOD_HOST=0.0.0.0 \
    NOD_LOG_FORMAT=json \
    NOD_PORT=3000
# slack_sdk asks for a home directory when it is imported, and `nod approve` for the name of the user.
RUN groupadd --gid 10001 nod \
 && useradd --uid 10001 --gid nod --home-dir /data --no-create-home --shell /usr/sbin/nologin nod \
 && install -d -m 0700 -o nod -g nod /data
COPY --from=build /opt/nod /opt/nod
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['NOD_PORT']), timeout=2); c.request('GET', '/metrics'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["nod"]
CMD ["run"]
