# Debian's Prometheus (2.42), with the program's path of the official image, and what the health check asks with.
FROM python:3.11.14-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus wget \
    && install -d -o 65534 -g 65534 /prometheus
VOLUME /prometheus
ENTRYPOINT ["/usr/bin/prometheus"]
