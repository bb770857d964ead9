# Image of the worker, which trains and evaluates: the extras `serve`, `openvino`, `tracing`, `remote` and `training`. Build from the root of the repository:
#   docker build -f docker/worker.Dockerfile -t duet-worker .
# Uses only instructions that both the classic builder and BuildKit support.

FROM python:3.11-slim-bookworm AS dependencies
# Optional package indexes, one for torch only: the default wheels for Linux on x86-64 contain several GB of CUDA, which
# machines without a GPU do not need. Declared only in this stage, because an index address may contain a password and
# the final image must not record it.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_TRUSTED_HOST=
ARG TORCH_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/duet/venv
COPY constraints.txt ./
# Without hashes: each index has its own files of torch. The other packages follow, whatever versions torch has brought.
RUN grep -E '^torch(vision)?==' constraints.txt > torch-locked.txt \
    && pip --python /opt/duet/venv/bin/python install --no-compile -r torch-locked.txt \
      ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"}
COPY requirements-worker.txt ./
RUN pip --python /opt/duet/venv/bin/python install --no-compile --no-deps --force-reinstall --require-hashes \
      -r requirements-worker.txt
# The project is in a separate folder, so that a new release does not add a layer of several GB.
RUN echo /opt/duet/app > /opt/duet/venv/lib/python3.11/site-packages/duet.pth

# The build tools of this stage are not in the final image, which has the environment of the stage before.
FROM dependencies AS build
COPY requirements-build.txt ./
RUN pip --python /opt/duet/venv/bin/python install --no-compile --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY training training
COPY service service
COPY duet duet
RUN pip --python /opt/duet/venv/bin/python install --no-compile --no-deps --no-build-isolation --target /opt/duet/app .
# Bytecode of the modules that a job imports: jobs start faster, and the file system can stay read-only. -P excludes the
# packages in the current folder.
ENV PYTHONPYCACHEPREFIX=/opt/duet/pycache
RUN /opt/duet/venv/bin/python -P -c "import core.tracing.export, duet.cli, service.jobs.worker.worker, training.jobs.main, training.pipeline.train, torchvision, sklearn"
COPY docker/worker_ready.py /opt/duet/ready.py
COPY models /opt/duet/models
COPY docker/champions.py ./
RUN python champions.py /opt/duet/models
# A checkout may be readable only by its owner; the worker runs as another user.
RUN cd /opt/duet && chmod -R a+rX,go-w app pycache ready.py models

FROM python:3.11-slim-bookworm
# Same ids as in the service's image, which shares DUET_HOME.
RUN groupadd --gid 10001 duet \
    && useradd --uid 10001 --gid duet --no-create-home --home-dir /var/lib/duet --shell /usr/sbin/nologin duet \
    && install --directory --owner duet --group duet --mode 0700 /var/lib/duet /var/lib/duet-data
COPY --from=dependencies /opt/duet/venv /opt/duet/venv
COPY --from=build /opt/duet/app /opt/duet/app
COPY --from=build /opt/duet/pycache /opt/duet/pycache
COPY --from=build /opt/duet/ready.py /opt/duet/ready.py
COPY --from=build /opt/duet/models /opt/duet/models
# matplotlib needs a writable folder for its font cache.
ENV PATH=/opt/duet/app/bin:/opt/duet/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/duet/pycache \
    ORT_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    DUET_HOME=/var/lib/duet \
    DUET_SHIPPED_MODELS=/opt/duet/models \
    DUET_DATA_DIR=/var/lib/duet-data
USER 10001:10001
WORKDIR /var/lib/duet
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["python", "/opt/duet/ready.py"]
CMD ["duet", "worker"]
