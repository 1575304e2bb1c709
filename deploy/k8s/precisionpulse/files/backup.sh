#!/bin/sh
# Dump the database into a new directory of BACKUP_DIRECTORY, and delete all but the newest BACKUP_KEEP of them. What has
# its name is whole: it is written under another one. Restored with `pg_restore` (docs/backup.md).
set -eu

name="$BACKUP_DIRECTORY/pulse-$(date -u +%Y%m%dT%H%M%SZ)"
rm -rf "$BACKUP_DIRECTORY"/*.unfinished
umask 077
pg_dump --format=directory --jobs=2 --compress=gzip:1 --file="$name.unfinished" \
  --dbname="$(cat "$BACKUP_DATABASE_URL_FILE")"
mv "$name.unfinished" "$name"
echo "backup: $name, $(du -sk "$name" | cut -f 1) KiB"
for old in $(ls -d "$BACKUP_DIRECTORY"/pulse-*Z | sort -r | tail -n "+$((BACKUP_KEEP + 1))"); do
  rm -rf "$old"
  echo "deleted: $old"
done
