#!/bin/sh
# As root on Debian and its kin, install the Chromium that the browser tests drive, if none is there.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "No Chromium: the browser tests will skip. Install one, on Debian: sudo apt-get install chromium"
