#!/usr/bin/env bash
# Builds kube-apiserver and etcd into .kubernetes/bin, in the versions that go.mod names. Sources come from the Go module
# proxy and are verified against go.sum; nothing else is downloaded. What is there already is not built again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=$(cd ../.. && pwd)/.kubernetes

required() { sed -nE "s#^[[:space:]]*$1 v([0-9.]+).*#\1#p" go.mod; }
kubernetes=$(required k8s.io/kubernetes)
etcd=$(required go.etcd.io/etcd/server/v3)

# What a binary says about itself; nothing where it is missing, half written or made for another machine.
version() { "$target/bin/$1" --version 2>/dev/null | sed -nE "s/^$2 v?([0-9.]+).*/\1/p" || true; }
up_to_date() {
    [ "$(version kube-apiserver Kubernetes)" = "$kubernetes" ] && [ "$(version etcd "etcd Version:")" = "$etcd" ]
}

finish() {
    printf 'kube-apiserver %s and etcd %s %s. The tests find them; other tools do with\n' "$kubernetes" "$etcd" "$1"
    printf 'export KUBEBUILDER_ASSETS=%s/bin\n' "$target"
    exit 0
}

fail() {
    printf 'Cannot build kube-apiserver and etcd: %s\n' "$1" >&2
    printf 'Install Go %s or newer (https://go.dev/dl), or point KUBEBUILDER_ASSETS at a folder that holds both.\n' "$needed" >&2
    exit 1
}

up_to_date && finish "are there already"

needed=$(sed -nE 's/^go ([0-9]+\.[0-9]+).*/\1/p' go.mod)
command -v go >/dev/null || fail "there is no go on the PATH."
# Go 1.21 and newer get the version that go.mod asks for by themselves, unless GOTOOLCHAIN forbids it.
found=$(go env GOVERSION 2>&1) || fail "$found"
case $found in
    go1.*) minor=${found#go1.} minor=${minor%%[!0-9]*} ;;
    *) minor=${needed#1.} ;; # A development version of Go has no number.
esac
[ "$minor" -ge "${needed#1.}" ] || fail "go on the PATH is $found, too old for Kubernetes $kubernetes."

printf 'Building kube-apiserver %s and etcd %s with %s.\n' "$kubernetes" "$etcd" "$found"
printf 'The first time it takes about ten minutes and 4 GB in the caches of Go (GOFLAGS=-p=1 leaves processors to others).\n'
mkdir -p "$target/bin"
staging=$(mktemp -d "$target/build.XXXXXX")
trap 'rm -rf "$staging"' EXIT

build() { GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags="-s -w ${3:-}" -o "$staging/$1" "$2"; }
build etcd go.etcd.io/etcd/server/v3
stamp=k8s.io/component-base/version
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "-X $stamp.gitVersion=v$kubernetes"
mv "$staging"/* "$target/bin/"

up_to_date || fail "what was built does not run, or is not of the version asked for."
finish "are built, in $SECONDS s"
