#!/usr/bin/env bash
# Install Chromium for the tests of the site (Debian or Ubuntu, root). Idempotent.
set -euo pipefail

for name in chromium google-chrome chromium-browser; do
  if command -v "$name" >/dev/null; then
    echo "$("$name" --version --no-sandbox 2>/dev/null | head -n 1) is here: $(command -v "$name")"
    exit 0
  fi
done

if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  echo "install.sh: needs apt and root; otherwise install Chromium or Chrome, so that one of" >&2
  echo "chromium, google-chrome, chromium-browser is a command. Without it those tests skip." >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -o Acquire::Retries=3 update -qq
apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends chromium fonts-dejavu-core
chromium --version --no-sandbox
