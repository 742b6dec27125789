#!/usr/bin/env bash
# A private Docker engine, for a Linux machine that has none running.
#
#   docker_engine.sh start DIR    starts it, prints its DOCKER_HOST
#   docker_engine.sh stop DIR     stops it; images stay in DIR for the next start
#
# Needs root. Installs Debian's docker.io if dockerd is missing. The engine is apart from any other: own socket, own data.
# It leaves the machine's firewall and routing alone, so its containers reach this machine and nothing beyond.
set -euo pipefail

usage() { echo "usage: docker_engine.sh start|stop DIR" >&2; exit 2; }
say() { echo "docker_engine: $*" >&2; }

[ $# -eq 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
host="unix://$dir/docker.sock"

answers() { DOCKER_HOST=$host docker version >/dev/null 2>&1; }

install_engine() {
  command -v apt-get >/dev/null || { say "no dockerd, and no apt-get to install it with: start a Docker engine"; exit 1; }
  say "installing Debian's docker.io"
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends docker.io; } \
    >"$dir/apt.log" 2>&1 || { tail -20 "$dir/apt.log" >&2; exit 1; }
}

start() {
  if answers; then echo "$host"; return; fi
  [ "$(uname -s)" = Linux ] || { say "a private engine needs Linux: start Docker and try again"; exit 1; }
  [ "$(id -u)" = 0 ] || { say "a private engine needs root: start Docker, or run this as root"; exit 1; }
  if ! command -v dockerd >/dev/null; then install_engine; fi
  setsid dockerd \
    --host "$host" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
    --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    >"$dir/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 300); do
    if answers; then echo "$host"; return; fi
    sleep 0.1
  done
  tail -20 "$dir/dockerd.log" >&2
  say "the engine did not start within 30 s"
  exit 1
}

stop() {
  [ -s "$dir/pid" ] || return 0
  local pid
  pid=$(cat "$dir/pid")
  # The pid may be another process's by now.
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "--pidfile $dir/pid" || return 0
  kill "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  say "the engine (pid $pid) did not stop within 10 s"
  exit 1
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) usage ;;
esac
