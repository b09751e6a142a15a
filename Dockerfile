# The archive as a container: a build stage that installs from the hash-locked requirements, and a run stage that holds nothing else.
#
#   docker build -t petition-archive .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v petition-archive:/var/lib/petition-archive -p 127.0.0.1:8700:8700 petition-archive
#
# BASE is any image with Python 3.11 or newer as python3; pin it by digest where you build (docs/operations.md, "Container").
ARG BASE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
# The environment is made where it will run: its scripts carry its path.
RUN python3 -m venv /opt/petition-archive \
 && /opt/petition-archive/bin/python -m pip install --quiet --require-hashes -r requirements.lock
COPY . .
# The build backend is needed in this stage only.
RUN python3 -m venv /opt/backend \
 && /opt/backend/bin/python -m pip install --quiet --require-hashes -r requirements-build.lock \
 && /opt/backend/bin/python -m pip wheel --quiet --no-deps --no-build-isolation -w /wheels . ./sdk \
 && /opt/petition-archive/bin/python -m pip install --quiet --no-deps --no-index /wheels/*.whl \
 && /opt/petition-archive/bin/python -m pip uninstall --quiet --yes pip \
 && /opt/petition-archive/bin/python -m compileall -q /opt/petition-archive

# hadolint ignore=DL3006
FROM ${BASE}
# A number, not a name: an orchestrator can then verify that it is not root.
ARG UID=10700
COPY --from=build /opt/petition-archive /opt/petition-archive
RUN mkdir -p /var/lib/petition-archive && chown ${UID}:${UID} /var/lib/petition-archive && chmod 0700 /var/lib/petition-archive
ENV PATH=/opt/petition-archive/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/petition-archive \
    ARCHIVE_HOME=/var/lib/petition-archive \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Everything that changes lives here: SQLite file, key ring, anchors, overlays. The rest of the file system may be read-only.
VOLUME /var/lib/petition-archive
WORKDIR /var/lib/petition-archive
USER ${UID}:${UID}
EXPOSE 8700
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python3", "-I", "-c", "import sys, urllib.request as r; sys.exit(r.urlopen('http://127.0.0.1:8700/healthz', timeout=4).status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["petition-archive"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8700"]
