# The worker: what trains and evaluates, torch included. Built from the root of the repository:
#   docker build -f docker/worker.Dockerfile -t duet-worker .
# Only instructions that the classic builder knows as well as BuildKit.

# What to install, as lists. A change of pyproject.toml that leaves a list as it is installs nothing of it again.
FROM python:3.11-slim-bookworm AS wanted
WORKDIR /src
COPY pyproject.toml constraints.txt docker/wanted.py ./
# Of torch itself alone: an index for torch has what torch needs in versions of its own.
RUN python wanted.py pyproject.toml \
    && grep -E '^torch(vision)?==' constraints.txt > torch-locked.txt

FROM python:3.11-slim-bookworm AS dependencies
# Another package index, where pip's own default will not do, and one for torch alone: the default's wheels for Linux on
# x86-64 bring CUDA, several GB that a machine without such a GPU never loads. Declared in this stage alone: the image
# that is kept does not remember them, and an index address may hold a password.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_TRUSTED_HOST=
ARG TORCH_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/duet/venv
COPY --from=wanted /src/torch.txt /src/torch-locked.txt ./
RUN pip --python /opt/duet/venv/bin/python install --no-compile -r torch.txt -c torch-locked.txt \
      ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"}
COPY constraints.txt ./
COPY --from=wanted /src/others.txt ./
RUN pip --python /opt/duet/venv/bin/python install --no-compile -r others.txt -c constraints.txt
# The project itself is in a folder of its own, so that a new release of it does not make a layer of several GB.
RUN echo /opt/duet/app > /opt/duet/venv/lib/python3.11/site-packages/duet.pth

FROM dependencies AS build
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY training training
COPY service service
COPY duet duet
RUN pip --python /opt/duet/venv/bin/python install --no-compile --no-deps --target /opt/duet/app .
# Bytecode of what a job imports, in a folder of its own: jobs begin sooner, and the file system can stay read-only. -P, or
# it would be this folder's packages whose bytecode is made.
ENV PYTHONPYCACHEPREFIX=/opt/duet/pycache
RUN /opt/duet/venv/bin/python -P -c "import duet.cli, service.jobs.worker.worker, training.jobs.main, training.pipeline.train, torchvision, sklearn"
COPY docker/worker_ready.py /opt/duet/ready.py
COPY models /opt/duet/models
# A checkout may be private to its owner; the worker runs as someone else.
RUN cd /opt/duet && chmod -R a+rX,go-w app pycache ready.py models

FROM python:3.11-slim-bookworm
# The ids are those of the service's image, with which it shares DUET_HOME.
RUN groupadd --gid 10001 duet \
    && useradd --uid 10001 --gid duet --no-create-home --home-dir /var/lib/duet --shell /usr/sbin/nologin duet \
    && install --directory --owner duet --group duet --mode 0700 /var/lib/duet /var/lib/duet-data
COPY --from=dependencies /opt/duet/venv /opt/duet/venv
COPY --from=build /opt/duet/app /opt/duet/app
COPY --from=build /opt/duet/pycache /opt/duet/pycache
COPY --from=build /opt/duet/ready.py /opt/duet/ready.py
COPY --from=build /opt/duet/models /opt/duet/models
# matplotlib keeps a list of fonts, for which it looks for a folder that it can write to.
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
