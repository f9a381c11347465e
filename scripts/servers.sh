#!/usr/bin/env bash
# Runs a command beside throwaway servers of PostgreSQL and Redis, whose addresses it finds in its environment:
#
#   scripts/servers.sh install       what is not there yet
#   scripts/servers.sh COMMAND...
#
# MONETIZATION_POSTGRES       postgres://monetization@127.0.0.1:PORT
# MONETIZATION_REDIS          redis://127.0.0.1:PORT
#
# More of PostgreSQL's settings are taken from POSTGRES_SETTINGS, such as "-c fsync=on".
#
# They come from Debian's packages, listen on free ports of this machine alone, keep what they have in a
# folder that is removed, and end with the command.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

redis=""

# A port that nobody listens on now.
free_port() {
  local port
  while :; do
    port="$(shuf -n 1 -i 20000-32000)"
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

# Runs a command of PostgreSQL's, which refuses to be root.
as_postgres() {
  if [[ "$(id -u)" -eq 0 ]]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups env -C "$folder" "$@"
  else
    "$@"
  fi
}

newest_postgres() {
  local found
  found="$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)"
  [[ -n "$found" ]] && dirname "$found"
}

install_what_is_missing() {
  if ! newest_postgres >/dev/null; then
    from_debian postgresql
  fi
  if ! has redis-server; then
    from_debian redis-server
  fi
}

start_postgres() {
  local bin port
  bin="$(newest_postgres)"
  if [[ "$(id -u)" -eq 0 ]]; then
    chown postgres "$folder"
  fi
  as_postgres "$bin/initdb" --pgdata="$folder/postgres" --username=monetization --auth=trust \
    --encoding=UTF8 --locale=C --no-sync >"$folder/initdb.log"
  # What this machine loses when its power fails is no matter here.
  for _ in 1 2 3; do
    port="$(free_port)"
    if as_postgres "$bin/pg_ctl" --pgdata="$folder/postgres" --log="$folder/postgres.log" --silent --wait \
      --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
        -c full_page_writes=off -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=2GB ${POSTGRES_SETTINGS:-}" start; then
      export MONETIZATION_POSTGRES="postgres://monetization@127.0.0.1:$port"
      return
    fi
  done
  cat "$folder/postgres.log" >&2
  return 1
}

start_redis() {
  local port
  for _ in 1 2 3; do
    port="$(free_port)"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" \
      >"$folder/redis.log" 2>&1 &
    redis=$!
    # The shell is not to tell how it ended.
    disown "$redis"
    for _ in {1..100}; do
      if redis-cli -p "$port" ping >/dev/null 2>&1; then
        export MONETIZATION_REDIS="redis://127.0.0.1:$port"
        return
      fi
      kill -0 "$redis" 2>/dev/null || break
      sleep 0.1
    done
  done
  cat "$folder/redis.log" >&2
  return 1
}

stop() {
  local bin
  if [[ -n "$redis" ]]; then
    kill -KILL "$redis" 2>/dev/null || true
  fi
  if [[ -e "$folder/postgres/postmaster.pid" ]] && bin="$(newest_postgres)"; then
    as_postgres "$bin/pg_ctl" --pgdata="$folder/postgres" --mode=immediate --silent stop || true
  fi
  rm -rf "$folder"
}

install_what_is_missing
if [[ "$*" == install ]]; then
  exit
fi
folder="$(mktemp -d)"
trap stop EXIT
start_postgres
start_redis
"$@"
