# Image of the API: the extras `serve`, `openvino`, `tracing`, `oidc` and `remote`, and the shipped champions,
# without torch.
# Build from the root of the repository; the second image has no OpenVINO plugin and is 102 MB smaller:
#   docker build -f docker/service.Dockerfile -t duet-service .
#   docker build -f docker/service.Dockerfile -t duet-service:cpu --build-arg OPENVINO=0 .
# Uses only instructions that both the classic builder and BuildKit support.

FROM python:3.11-slim-bookworm AS dependencies
# 1 installs the OpenVINO plugin on amd64 (there is none for arm64); 0 leaves it out.
ARG OPENVINO=1
# Optional package index. Declared only in this stage, because an index address may contain a password and the final
# image must not record it.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_TRUSTED_HOST=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
WORKDIR /src
RUN python -m venv --without-pip /opt/duet/venv
COPY requirements-serve.txt ./
# An entry ends with the first line that has no backslash at its end.
RUN case "$OPENVINO" in 0) sed -i '/^onnxruntime-ep-openvino==/,/[^\\]$/d' requirements-serve.txt ;; 1) ;; \
      *) echo "OPENVINO is 0 or 1, not '$OPENVINO'" >&2; exit 2 ;; esac
RUN pip --python /opt/duet/venv/bin/python install --no-compile --require-hashes -r requirements-serve.txt
# Remove files that are never loaded:
# - tests (except those of numpy's core, which numpy.testing imports), and compiler inputs of numpy and uvloop
# - onnxruntime's shared C library (the Python binding links it statically) and its model tools
# - OpenVINO's plugins for GPUs, NPUs and several devices
# - Pillow's AVIF support, which core.images.decode does not accept
# - the prompt packages of Celery's command line
# - debugging symbols (not of wheels with bundled libraries, which stripping can break after patchelf)
# The project is in a separate folder, so that a new release adds only a few small layers.
RUN cd /opt/duet/venv/lib/python3.11/site-packages \
    && find . -type d -name tests ! -path './numpy/_core/*' -prune -exec rm -r {} + \
    && find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.h' -o -name '*.a' \) -delete \
    && rm -r numpy/f2py numpy/distutils \
    && rm -r onnxruntime/capi/libonnxruntime.so.* onnxruntime/quantization onnxruntime/tools onnxruntime/transformers \
    && rm -f onnxruntime_ep_openvino/cache.json onnxruntime_ep_openvino/libopenvino_intel_[gn]pu_plugin.so \
    && rm -f onnxruntime_ep_openvino/libopenvino_hetero_plugin.so onnxruntime_ep_openvino/libopenvino_auto_batch_plugin.so \
    && rm -r PIL/_avif.* pillow.libs/libavif-* \
    && rm -r click_repl* prompt_toolkit* wcwidth* \
    && strip --strip-unneeded uvloop/*.so httptools/parser/*.so \
    && echo /opt/duet/app > duet.pth

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
# Bytecode of the modules imported at start, including the standard library (the base image has none): the service
# starts faster, and its file system can stay read-only. -P excludes the packages in the current folder.
ENV PYTHONPYCACHEPREFIX=/opt/duet/pycache
RUN /opt/duet/venv/bin/python -P -c "import core.tracing.export, duet.cli, service.server.main, service.jobs.celery_app, anyio._backends._asyncio, uvicorn.lifespan.on, uvicorn.protocols.http.httptools_impl"
COPY docker/ready.py /opt/duet/ready.py
COPY models /opt/duet/models
COPY docker/champions.py ./
RUN python champions.py /opt/duet/models
# A checkout may be readable only by its owner; the service runs as another user.
RUN cd /opt/duet && chmod -R a+rX,go-w app pycache ready.py models

# Software bill of materials (CycloneDX): the Python packages of the final image, with their licences and dependencies.
FROM dependencies AS sbom
COPY requirements-sbom.txt pyproject.toml ./
RUN python -m venv /opt/sbom && /opt/sbom/bin/pip install --no-compile --require-hashes -r requirements-sbom.txt
COPY --from=build /opt/duet/app /opt/duet/app
RUN /opt/sbom/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
      -o /opt/duet/sbom.cdx.json /opt/duet/venv

# The base image without what the service never uses: installers, Perl, documentation, translations, character sets.
FROM python:3.11-slim-bookworm AS base
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/lib/python3/dist-packages/* /usr/share/python-wheels \
      /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/idlelib /usr/local/lib/python3*/test \
      /usr/local/bin/pip* /usr/bin/pip* /usr/bin/perl* /usr/lib/*-linux-gnu/perl* /usr/share/perl* \
      /usr/bin/apt* /usr/lib/apt /var/lib/apt /var/cache/* /var/log/* \
      /usr/share/doc /usr/share/info /usr/share/locale /usr/share/man /usr/share/lintian /usr/lib/*-linux-gnu/gconv \
    && find /usr/lib/python3* /usr/local/lib/python3* -name __pycache__ -prune -exec rm -r {} +

# Copied into an empty image, because a layer that deletes files does not make an image smaller.
FROM scratch
COPY --from=base / /
# Fixed ids, so that files on a volume keep their owner across images.
RUN groupadd --gid 10001 duet \
    && useradd --uid 10001 --gid duet --no-create-home --home-dir /var/lib/duet --shell /usr/sbin/nologin duet \
    && install --directory --owner duet --group duet --mode 0700 /var/lib/duet /var/lib/duet-data
COPY --from=dependencies /opt/duet/venv /opt/duet/venv
COPY --from=build /opt/duet/app /opt/duet/app
COPY --from=build /opt/duet/pycache /opt/duet/pycache
COPY --from=build /opt/duet/ready.py /opt/duet/ready.py
COPY --from=build /opt/duet/models /opt/duet/models
COPY --from=sbom /opt/duet/sbom.cdx.json /opt/duet/sbom.cdx.json
# onnxruntime 1.29 and later sends telemetry and writes an identifier to disk unless disabled.
ENV PATH=/opt/duet/app/bin:/opt/duet/venv/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPYCACHEPREFIX=/opt/duet/pycache \
    ORT_DISABLE_TELEMETRY=1 \
    DUET_HOME=/var/lib/duet \
    DUET_SHIPPED_MODELS=/opt/duet/models \
    DUET_DATA_DIR=/var/lib/duet-data \
    DUET_HOST=0.0.0.0 \
    DUET_PORT=8000
USER 10001:10001
WORKDIR /var/lib/duet
EXPOSE 8000
HEALTHCHECK --interval=2s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-S", "/opt/duet/ready.py"]
CMD ["duet", "serve"]
