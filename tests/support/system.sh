#!/bin/sh
# What the tests need beside Python packages: Debian's Chromium (a real browser
# for whole calls), Node.js and npm (type checks and tests of web/).
# Installs what is missing when it may; otherwise says what to do.
set -eu

missing=""
for program in "${@:-chromium}"; do
  command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
case "$missing" in *node*) missing=$(printf '%s' "$missing" | sed 's/\bnode\b/nodejs/') ;; esac
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "livegate: installing$missing with apt-get (once, for the tests)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  exec apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
echo "livegate: the tests need:$missing. On Debian: sudo apt-get install --no-install-recommends$missing" >&2
exit 1
