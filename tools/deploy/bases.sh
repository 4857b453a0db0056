#!/usr/bin/env bash
# Makes stand-ins of the two images that deploy/Containerfile starts from, under the names it has for them, where they
# cannot be pulled: Debian's packages, the pinned Node.js and this machine's npm. They are for tests; an image that is
# deployed is built from the real ones.
#
#   bases.sh BUILD_IMAGE RUNTIME_IMAGE
set -euo pipefail
build_image=$1 runtime_image=$2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
node=$(readlink -f "$root/node_modules/.bin/node")
npm=$(dirname "$(readlink -f "$(command -v npm)")")/..

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The C library and what Node.js needs beside it, as the "cc" image has them.
runtime=(base-files netbase tzdata ca-certificates libc6 libgcc-s1 libstdc++6)
# A shell, for the instructions of the build.
shell=(dash coreutils libselinux1 libpcre2-8-0 libgmp10 libacl1 libattr1 libcrypt1)

unpack() {
    local into=$1 name
    shift
    mkdir -p "$into"
    for name in "$@"; do dpkg-deb --extract "$work"/debs/"$name"_*.deb "$into"; done
}

mkdir "$work/debs"
(cd "$work/debs" && apt-get download -qq "${runtime[@]}" "${shell[@]}" 2>/dev/null)

unpack "$work/runtime" "${runtime[@]}"
cat "$work"/runtime/usr/share/ca-certificates/mozilla/*.crt >"$work/runtime/etc/ssl/certs/ca-certificates.crt"
mkdir -p -m 1777 "$work/runtime/tmp"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$work/runtime/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/runtime/etc/group"

cp -a "$work/runtime" "$work/build"
unpack "$work/build" "${shell[@]}"
mkdir -p "$work/build/usr/local/bin" "$work/build/usr/local/lib/node_modules"
ln -sf dash "$work/build/bin/sh"
install "$node" "$work/build/usr/local/bin/node"
cp -rL "$npm" "$work/build/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/build/usr/local/bin/npm"
cp "$(dirname "$node")/../LICENSE" "$work/build/usr/local/LICENSE"

# Runs buildah as the caller's environment says (storage, isolation).
image() {
    local container
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$2" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${@:3}" "$container"
    buildah commit --quiet --rm --timestamp 0 "$container" "$1" >/dev/null
    echo "Made a stand-in of $1 ($(du -sm "$2" | cut -f1) MB)."
}
image "$build_image" "$work/build"
image "$runtime_image" "$work/runtime" --user 65532
