#!/usr/bin/env bash
# Puts crm-bridge on this machine (Debian 12, Ubuntu 24.04 or newer), or updates it: the same command, safe to repeat.
#
#   sudo deploy/install.sh                           install or update; asks for what is not set yet
#   sudo deploy/install.sh --domain bridge.example.ru  the same, with Caddy and a certificate in front
#   sudo deploy/install.sh --roll-back               go back to the version before; data and settings stay
#   sudo deploy/install.sh --restore [COPY]          put a backup back; without its name the backups are listed
#   sudo deploy/install.sh --remove                  take everything off but data and settings
#
# What it makes:
#   /opt/crm-bridge/releases/<version>   the program, each version with its own Python environment; `current` names one
#   /etc/crm-bridge/*.env                settings and keys, for root only; made once, never overwritten
#   /var/lib/crm-bridge                  databases and backups
#   /etc/systemd/system/crm-bridge*      two services, three timers
set -euo pipefail
shopt -s inherit_errexit

OPT=/opt/crm-bridge
ETC=/etc/crm-bridge
DATA=/var/lib/crm-bridge
UNITS=/etc/systemd/system
KEEP=3 # versions
SOURCE=$(cd "$(dirname "$0")/.." && pwd)
TIMERS="crm-bridge-daily.timer crm-bridge-often.timer crm-bridge-backup.timer"
SERVICES="crm-bridge@sync.service crm-bridge@exchange.service"

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\nERROR: %s\n' "$*" >&2; exit 1; }

main() {
  local argument="" action=install
  while [ $# -gt 0 ]; do
    case "$1" in
      --domain) argument=${2:?--domain needs a name}; shift ;;
      --roll-back) action=roll_back ;;
      --restore)
        action=restore
        if [ $# -gt 1 ]; then argument=$2; shift; fi
        ;;
      --remove) action=remove ;;
      -h | --help) sed -n '2,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
      *) fail "unknown option $1; see --help" ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || fail "this needs root: sudo $0"
  [ -d /run/systemd/system ] || fail "systemd is not running here; see deploy/compose.yaml for a container"
  "$action" "$argument"
}

install() {
  local domain=$1 release
  say "Programs of the system"
  install_packages "$domain"
  say "Settings in $ETC"
  make_settings
  say "The program"
  release=$(make_release)
  say "Services and timers"
  if [ -e "$DATA/sync/bridge.db" ] && [ -e "$OPT/current" ]; then
    systemctl start crm-bridge-backup.service || fail "no backup could be made; see: journalctl -u crm-bridge-backup"
    echo "Backup made in $DATA/backup"
  fi
  local before
  before=$(readlink -f "$OPT/current" || true)
  switch_to "$release"
  if ! healthy; then
    if [ -d "$before" ] && [ "$before" != "$release" ]; then
      switch_to "$before"
      rm -rf "$release"
    fi
    fail "the functions do not answer; see: journalctl -u crm-bridge@sync -u crm-bridge@exchange"
  fi
  # shellcheck disable=SC2086 # a list of names
  systemctl enable --quiet --now $TIMERS
  delete_old_releases
  say "Is it set up right?"
  check_setup
  first_run
  [ -z "$domain" ] || set_up_caddy "$domain"
  finish "$domain"
}

install_packages() {
  local wanted="python3 python3-venv ca-certificates curl"
  [ -z "$1" ] || wanted="$wanted caddy"
  local missing=""
  for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed: Debian 12, Ubuntu 24.04"
}

# Settings: a value comes from the environment, else from the person at the terminal; what is set already stays.
make_settings() {
  mkdir -p "$ETC"
  chmod 700 "$ETC"
  local name
  for name in sync exchange schedule; do
    if [ ! -e "$ETC/$name.env" ]; then
      (umask 077 && cp "$SOURCE/deploy/$name.env.example" "$ETC/$name.env")
    fi
  done
  want sync COMAGIC_TOKEN "CoMagic: Data API key" secret
  want sync AGBIS_URL "Agbis: address of the API, like https://himinfo.net/cl/<path>/api/"
  want sync AGBIS_USER "Agbis: user of the API"
  want sync AGBIS_PASSWORD "Agbis: password of that user" secret
  for name in COMAGIC_URL COMAGIC_USER_ID COMAGIC_SALE_TAG_ID ALERT_URLS TIME_ZONE; do
    [ -z "${!name:-}" ] || is_set sync "$name" || put sync "$name" "${!name}"
  done
  is_set sync SYNC_API_KEY || put sync SYNC_API_KEY "$(new_key)"
  is_set exchange EXCHANGE_API_KEY || put exchange EXCHANGE_API_KEY "$(new_key)"
}

new_key() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

is_set() { grep -Eq "^$2=\"?[^\"]" "$ETC/$1.env"; }

want() { # file, name, what it is, secret
  is_set "$1" "$2" && return
  local value=${!2:-}
  if [ -z "$value" ] && [ -t 0 ]; then
    if [ "${4:-}" = secret ]; then
      read -rsp "$3: " value && echo
    else
      read -rp "$3: " value
    fi
  fi
  [ -z "$value" ] || put "$1" "$2" "$value"
}

put() { # file, name, value: replaces the line of the name, or adds one
  local file="$ETC/$1.env" quoted
  quoted=$(printf '%s' "$3" | sed 's/[\\"$`]/\\&/g')
  (umask 077 && { grep -v "^$2=" "$file" || true; printf '%s="%s"\n' "$2" "$quoted"; } >"$file.new")
  mv "$file.new" "$file"
}

setting() { # file, name: prints the value of a plain one, like a port or a key of ours
  sed -n "s/^$2=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$ETC/$1.env" | tail -1
}

# A release is complete before anything uses it: a broken network leaves the running version alone.
make_release() {
  local release
  release="$OPT/releases/$(date -u +%Y%m%dT%H%M%S)"
  mkdir -p "$release"
  cp -r "$SOURCE/function" "$SOURCE/deploy" "$SOURCE/requirements.txt" "$release"
  find "$release" -name __pycache__ -prune -exec rm -rf {} +
  if ! { python3 -m venv "$release/.venv" && "$release/.venv/bin/pip" install --quiet --disable-pip-version-check \
    --require-hashes -r "$release/requirements.txt" && "$release/.venv/bin/python" -m compileall -q "$release/function"; } >&2; then
    rm -rf "$release"
    fail "the Python packages could not be installed; the running version is as it was"
  fi
  chmod -R a+rX "$OPT"
  echo "$release"
}

switch_to() { # a release: with its own units
  cp "$1"/deploy/systemd/crm-bridge* "$UNITS"
  systemctl daemon-reload
  ln -sfn "$1" "$OPT/current.new"
  mv -T "$OPT/current.new" "$OPT/current"
  # shellcheck disable=SC2086 # a list of names
  systemctl enable --quiet $SERVICES
  # shellcheck disable=SC2086 # a list of names
  systemctl restart $SERVICES
  echo "Running: $1"
}

healthy() {
  local key
  key=$(setting sync SYNC_API_KEY)
  for _ in $(seq 60); do
    if call "http://127.0.0.1:$(setting exchange PORT)/check_health" "" && call "http://127.0.0.1:$(setting sync PORT)/check_health" "$key"; then
      return 0
    fi
    sleep 1
  done
  return 1
}

call() { # address, key: true when it answers 200. The key goes through standard input: arguments can be seen by others.
  printf 'header = "X-API-Key: %s"\n' "$2" | curl --silent --fail --max-time 60 --output /dev/null --config - "$1" 2>/dev/null
}

check_setup() {
  printf 'header = "X-API-Key: %s"\n' "$(setting sync SYNC_API_KEY)" |
    curl --silent --max-time 120 --config - "http://127.0.0.1:$(setting sync PORT)/check_setup" |
    python3 -c 'import json, sys
for check in json.load(sys.stdin)["checks"]:
    print("ok  " if check["ok"] else "FAIL", check["name"], check["hint"])' || true
}

first_run() {
  if [ -e "$ETC/.first-run-done" ]; then return; fi
  for name in COMAGIC_TOKEN AGBIS_URL AGBIS_USER AGBIS_PASSWORD; do
    is_set sync "$name" || { say "No first run yet: set $name in $ETC/sync.env and repeat this command"; return; }
  done
  say "The first run (some minutes)"
  if systemctl start crm-bridge-run@daily.service; then
    touch "$ETC/.first-run-done"
    journalctl -u crm-bridge-run@daily.service -o cat -n 20 --no-pager | grep '^daily: ' | tail -1 || true
  else
    journalctl -u crm-bridge-run@daily.service -o cat -n 20 --no-pager | grep '^daily: ' | tail -1 || true
    say "The first run did not succeed: put right what stands above and repeat this command"
  fi
}

set_up_caddy() {
  say "Caddy for $1"
  sed "s/{\$BRIDGE_DOMAIN}/$1/; s/{\$BRIDGE_SYNC:.*}/127.0.0.1:$(setting sync PORT)/
    s/{\$BRIDGE_EXCHANGE:.*}/127.0.0.1:$(setting exchange PORT)/" "$SOURCE/deploy/Caddyfile" >/etc/caddy/crm-bridge.caddy
  grep -qx 'import /etc/caddy/crm-bridge.caddy' /etc/caddy/Caddyfile || echo 'import /etc/caddy/crm-bridge.caddy' >>/etc/caddy/Caddyfile
  systemctl enable --quiet caddy
  systemctl restart caddy || fail "Caddy does not start; see: journalctl -u caddy. The functions run, for this machine only"
}

delete_old_releases() {
  local current
  current=$(readlink -f "$OPT/current")
  find "$OPT/releases" -mindepth 1 -maxdepth 1 -type d | sort | head -n -$KEEP | while read -r old; do
    [ "$old" = "$current" ] || rm -rf "$old"
  done
}

finish() {
  local address
  address="http://127.0.0.1:$(setting sync PORT)/runs (from this machine only)"
  [ -z "$1" ] || address="https://$1/runs"
  say "Done"
  echo "Open $address; the password is SYNC_API_KEY of $ETC/sync.env, the user name does not matter."
  echo "The IVR and the operator's panel send EXCHANGE_API_KEY of $ETC/exchange.env."
}

roll_back() {
  local current before
  current=$(readlink -f "$OPT/current") || fail "nothing is installed"
  before=$(find "$OPT/releases" -mindepth 1 -maxdepth 1 -type d | sort | grep -B1 -x "$current" | head -1)
  if [ -z "$before" ] || [ "$before" = "$current" ]; then fail "there is no version before $current"; fi
  switch_to "$before"
  healthy || fail "the functions do not answer; see: journalctl -u crm-bridge@sync -u crm-bridge@exchange"
}

restore() {
  if [ -z "$1" ]; then
    ls -1 "$DATA"/backup/bridge-*.db 2>/dev/null || fail "there is no backup in $DATA/backup"
    return
  fi
  [ -f "$1" ] || fail "there is no file $1"
  # shellcheck disable=SC2086 # a list of names
  systemctl stop $TIMERS crm-bridge@sync.service
  local refused=""
  "$OPT/current/.venv/bin/python" "$OPT/current/deploy/backup.py" restore "$1" "$DATA/sync/bridge.db" || refused=yes
  # shellcheck disable=SC2086 # a list of names
  systemctl start crm-bridge@sync.service $TIMERS
  [ -z "$refused" ] || fail "nothing was put back"
  healthy || fail "sync does not answer; see: journalctl -u crm-bridge@sync"
}

remove() {
  # shellcheck disable=SC2086 # a list of names
  systemctl disable --quiet --now $TIMERS $SERVICES 2>/dev/null || true
  systemctl stop 'crm-bridge-run@*.service' crm-bridge-backup.service 2>/dev/null || true
  systemctl reset-failed 'crm-bridge*' 2>/dev/null || true # else a run that failed stays in the list of units
  rm -f "$UNITS"/crm-bridge*
  systemctl daemon-reload
  if [ -e /etc/caddy/crm-bridge.caddy ]; then
    sed -i '\|^import /etc/caddy/crm-bridge.caddy$|d' /etc/caddy/Caddyfile
    rm /etc/caddy/crm-bridge.caddy
    systemctl reload caddy || true
  fi
  rm -rf "$OPT"
  say "Removed"
  echo "Kept: settings in $ETC, databases and backups in $DATA. To delete them for good: rm -r $ETC $DATA /var/lib/private/crm-bridge"
}

main "$@"
