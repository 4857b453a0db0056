#!/usr/bin/env bash
# Builds deploy/Containerfile with buildah and leaves the image's files and configuration in .deploy/image, for the tests
# that run it; with --check it builds it twice and compares the layers. Where its base images cannot be pulled, it starts
# from stand-ins of the same names (bases.sh), and says so.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=$PWD/.deploy
mkdir -p "$target"

# Of its own, and without a container engine's services: whatever else is on this machine is left alone.
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
buildah() { command buildah --root "$target/storage" --runroot "$target/run" "$@"; }
export -f buildah
export target

argument() { sed -nE "s/^ARG $1=(.*)/\1/p" deploy/Containerfile | head -1; }
bases=() arguments=()
for argument in NODE_IMAGE RUNTIME_IMAGE; do
    base=$(argument "$argument")
    [[ "$base" =~ @sha256:[0-9a-f]{64}$ ]] || { echo "$argument is not pinned by its digest: $base" >&2; exit 1; }
    bases+=("$base")
done
for base in "${bases[@]}"; do
    buildah inspect --type image "$base" >/dev/null 2>&1 && continue
    timeout 60 buildah --root "$target/storage" --runroot "$target/run" pull --quiet "$base" >/dev/null 2>&1 && continue
    echo "$base cannot be pulled here: the image is built on a stand-in of it."
    # Nothing that is made here has that digest.
    bases=("${bases[@]%@*}")
    arguments=(--build-arg NODE_IMAGE="${bases[0]}" --build-arg RUNTIME_IMAGE="${bases[1]}")
    for name in "${bases[@]}"; do
        buildah inspect --type image "$name" >/dev/null 2>&1 || { bash tools/deploy/bases.sh "${bases[@]}"; break; }
    done
    break
done

# A company's registry and authority, where this machine has them: as an operator behind one does it.
secrets=()
npmrc=$(npm config get userconfig)
[ -f "$npmrc" ] && secrets+=(--secret "id=npmrc,src=$npmrc")
[ -f "${NODE_EXTRA_CA_CERTS:-}" ] && secrets+=(--secret "id=ca,src=$NODE_EXTRA_CA_CERTS")

commit=$(git rev-parse HEAD)
# Every file is of one time. Here it is not the commit's, so that layers of earlier builds can be used again.
build() {
    buildah build --layers --pull-never --quiet --file deploy/Containerfile --ignorefile .dockerignore \
        --timestamp 0 --build-arg COMMIT="$commit" "${arguments[@]}" "${secrets[@]}" "${@:2}" --tag "$1" . >"$target/build.log" 2>&1 ||
        { cat "$target/build.log" >&2; exit 1; }
}
# The last one is the compile cache, which V8 never writes twice alike.
layers() { buildah inspect --type image --format '{{.OCIv1.RootFS.DiffIDs}}' "$1" | sed -E 's/ [^ ]+\]$/]/'; }

name=localhost/flyte-databricks-connector
build "$name:test"
if [ "${1:-}" = --check ]; then
    build "$name:again" --no-cache
    [ "$(layers "$name:test")" = "$(layers "$name:again")" ] || { echo "Built again, it has other layers." >&2; exit 1; }
    echo "Built again without a cache: the same layers, but for the compile cache, in $SECONDS s."
    exit 0
fi

buildah inspect --type image "$name:test" >"$target/image.json"
container=$(buildah from --pull-never "$name:test")
trap 'buildah rm "$container" >/dev/null' EXIT
rm -rf "$target/image"
mkdir "$target/image"
cp -a "$(buildah mount "$container")/." "$target/image/"
echo "Built $name: $(du -sm "$target/image" | cut -f1) MB in $SECONDS s."
