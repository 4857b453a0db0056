#!/usr/bin/env bash
# Installs Debian's Chromium for the tests of the demo's page, where there is none and this user may.
set -euo pipefail

chromium=${FLYTE_DATABRICKS_CHROMIUM:-/usr/bin/chromium}
if [ -x "$chromium" ]; then
    echo "Chromium is there: $chromium"
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium at $chromium. Install it (on Debian: sudo apt-get install chromium), or set FLYTE_DATABRICKS_CHROMIUM to the path of one." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium >/dev/null
echo "Installed: $chromium"
