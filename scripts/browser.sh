#!/usr/bin/env bash
# A Chromium for the console's tests: the machine's own, else Debian's package (as root), else Playwright's build of it.
set -euo pipefail
cd "$(dirname "$0")/.."
for each in "${OMNILAKE_CHROMIUM:-}" chromium chromium-browser google-chrome chrome; do
  if [[ -n "$each" ]] && command -v "$each" >/dev/null; then exit 0; fi
done
if [[ "$(id -u)" == 0 ]] && grep -qs '^ID=debian' /etc/os-release; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
else
  .venv/bin/playwright install chromium
fi
