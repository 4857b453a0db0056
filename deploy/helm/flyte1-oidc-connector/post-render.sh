#!/bin/sh
# Reads what helm rendered, and writes it with deployment-patch.yaml applied.
set -eu
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/rendered.yaml"
cp "$here/kustomization.yaml" "$here/deployment-patch.yaml" "$work"
kubectl kustomize "$work"
