#!/usr/bin/env bash
# Builds the images of the services that are named, or of all: `deploy/docker/build.sh [SERVICE...]`.
# BASE: the base image (made here where it is missing and cannot be pulled); TORCH=cpu|cuda; EXTRAS=of the service, parted by commas; TAG; ENGINE=podman.
set -euo pipefail
cd "$(dirname "$0")/../.."
engine="${ENGINE:-podman}"
command -v "$engine" >/dev/null || { echo "no $engine here: images cannot be built" >&2; exit 3; }
[ "$(id -u)" = 0 ] && export CONTAINERS_CONF="${CONTAINERS_CONF:-$PWD/deploy/docker/containers.conf}"
base="${BASE:-python:3.11-slim-bookworm}"
tag="${TAG:-dev}"
services=("$@")
[ $# -gt 0 ] || services=(downloader preprocessor scenes exporter embedder review-api)

if [[ " ${services[*]} " == *" review-api "* ]] && [ ! -f services/review-api/src/heaters_review_api/ui/app/index.html ]; then
  echo "the pages are not built: run \`make setup\` first, or \`make images\`, which does" >&2
  exit 4
fi

for service in "${services[@]}"; do
  python3 deploy/docker/parts.py "$service" "${EXTRAS:-}" >/dev/null
done

if ! "$engine" image exists "$base"; then
  timeout 60 "$engine" pull --quiet "$base" 2>/dev/null || deploy/docker/base.sh "$base"
fi

more=()
ca="${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
[ -r "$ca" ] && more+=(--secret "id=ca,src=$ca")
# Folders of wheels that this machine's pip knows are known to the build as well.
links="$(python3 -m pip config get global.find-links 2>/dev/null || true)"
if [ -n "$links" ] && [ -d "$links" ]; then
  more+=(--volume "$links:/run/wheels:ro" --build-arg "PIP_FIND_LINKS=/run/wheels")
fi

for service in "${services[@]}"; do
  began=$SECONDS
  "$engine" build --quiet --format docker --network host --timestamp 0 --file deploy/docker/Dockerfile \
    --build-arg "BASE=$base" --build-arg "SERVICE=$service" --build-arg "TORCH=${TORCH:-cpu}" --build-arg "EXTRAS=${EXTRAS:-}" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    "${more[@]}" --tag "localhost/heaters-$service:$tag" .
  size=$("$engine" image inspect --format '{{.Size}}' "localhost/heaters-$service:$tag")
  echo "heaters-$service:$tag $((size / 1000000)) MB in $((SECONDS - began)) s"
done
