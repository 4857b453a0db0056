#!/usr/bin/env bash
# Installs what builds and runs the image in tests (buildah, runc, ip and kubectl, of Debian), where this user may, and builds helm
# and what checks the charts into .deploy/bin, in the versions that go.mod names. What is there already is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=$(cd ../.. && pwd)/.deploy

declare -A package=([buildah]=buildah [runc]=runc [ip]=iproute2 [kubectl]=kubernetes-client)
missing=()
for tool in "${!package[@]}"; do command -v "$tool" >/dev/null || missing+=("${package[$tool]}"); done
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: ${missing[*]}. Install them (on Debian: sudo apt-get install ${missing[*]})." >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

required() { sed -nE "s#^[[:space:]]*$1 (v[0-9.]+).*#\1#p" go.mod; }
# The module version that a binary was built from; nothing where it is missing or half written.
built() { go version -m "$target/bin/$1" 2>/dev/null | sed -nE "s#^[[:space:]]*mod[[:space:]]+$2[[:space:]]+(v[0-9.]+).*#\1#p"; }
build() {
    [ "$(built "$1" "$2")" = "$(required "$2")" ] && return
    echo "Building $1 $(required "$2")."
    GOWORK=off CGO_ENABLED=0 go build "${@:3}" -trimpath -ldflags="-s -w" -o "$target/bin/$1" "$2/cmd/$1"
}
mkdir -p "$target/bin"
build helm helm.sh/helm/v4
build helm-docs github.com/norwoodj/helm-docs
build helm-unittest github.com/helm-unittest/helm-unittest
build kubeconform github.com/yannh/kubeconform
# Without what discovers targets at every cloud, it is half the size and half the time.
build promtool github.com/prometheus/prometheus -tags=remove_all_sd
# Of this repository: the kinds of the Prometheus operator, by its own types.
GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$target/bin/monitoring" ./cmd/monitoring
echo "buildah, runc, kubectl, helm, helm-docs, helm-unittest, kubeconform, promtool and monitoring are there."
