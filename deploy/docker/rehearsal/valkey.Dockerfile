# The Valkey of the embedded stack, under the name, user and directory of the official image.
FROM python:3.11.14-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-tools \
    && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli \
    && groupadd -g 999 valkey && useradd -u 999 -g 999 valkey && install -d -o valkey -g valkey /data
COPY valkey-server /usr/local/bin/valkey-server
VOLUME /data
WORKDIR /data
