#!/usr/bin/env bash
# Install zsh and fish for the tests of completion (Debian or Ubuntu, root). Idempotent.
set -euo pipefail

missing=()
for shell in zsh fish; do
  command -v "$shell" >/dev/null || missing+=("$shell")
done
[[ ${#missing[@]} == 0 ]] && exit 0

if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  echo "install.sh: needs apt and root; otherwise install ${missing[*]}. Without them their tests skip." >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -o Acquire::Retries=3 update -qq
apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${missing[@]}"
