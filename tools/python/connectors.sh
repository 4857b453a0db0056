#!/usr/bin/env bash
# Flyte's own connector as it was, for the tests in which it and this one hand runs to each other: flytekit and its Spark
# plugin in each of these versions, on the dependencies of requirements.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

for version in 1.13.0 1.15.4 1.16.4 1.16.25; do
    folder=.venv/connectors/$version
    [ -d "$folder" ] && continue
    # In one step, so that what was interrupted is done again.
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target "$folder.part" \
        "flytekit==$version" "flytekitplugins-spark==$version"
    mv "$folder.part" "$folder"
done
