# Image of the reverse proxy (HAProxy) in front of the api containers. Build from this folder:
#   docker build -f docker/proxy.Dockerfile -t duet-proxy docker
# Uses only instructions that both the classic builder and BuildKit support.

# Same base as the other images: its layers are already present, and ready.py needs Python.
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends haproxy \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/*
COPY haproxy.cfg /etc/duet/haproxy.cfg
COPY ready.py /opt/duet/ready.py
RUN chmod -R a+rX,go-w /etc/duet /opt/duet
ENV DUET_PORT=8000
USER 10001:10001
EXPOSE 8000
# SIGUSR1 lets haproxy finish its requests; SIGTERM would abort them.
STOPSIGNAL SIGUSR1
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-S", "/opt/duet/ready.py"]
CMD ["haproxy", "-db", "-f", "/etc/duet/haproxy.cfg"]
