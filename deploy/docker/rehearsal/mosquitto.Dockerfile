# Debian's Mosquitto, with its plugin where the official image has it.
FROM python:3.11.14-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends mosquitto netcat-openbsd \
    && ln -s /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so /usr/lib/mosquitto_dynamic_security.so
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
