#!/bin/sh
# Finds a Chromium for the browser tests, installs Debian's when root, or says the one command to ask for.
set -eu

if [ -n "${KNOPKA_CHROMIUM:-}" ]; then
    [ -x "$KNOPKA_CHROMIUM" ] && exit 0
    echo "KNOPKA_CHROMIUM is $KNOPKA_CHROMIUM, and that is not a program." >&2
    exit 1
fi
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
# What `playwright install chromium` left, on Linux and on macOS.
for cache in "${PLAYWRIGHT_BROWSERS_PATH:-}" "${HOME:-}/.cache/ms-playwright" "${HOME:-}/Library/Caches/ms-playwright"; do
    for browser in "$cache"/chromium-*; do
        if [ -d "$browser" ]; then exit 0; fi
    done
done

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "The browser tests need a Chromium and none was found. Ask an administrator for:" >&2
    echo "    apt-get install chromium" >&2
    echo "or name one: make test KNOPKA_CHROMIUM=/path/to/chromium" >&2
    exit 1
fi
echo "Installing Chromium for the browser tests …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium >/dev/null
