#!/bin/sh
# Brings three NATS servers, two shards and a front end up on this machine, or stops them: cluster.sh start|stop
set -eu

dir="${CREDENCE_CLUSTER:-${XDG_DATA_HOME:-$HOME/.local/share}/credence-cluster}"
credence="${CREDENCE:-./target/release/credence}"
port="${CREDENCE_CLUSTER_PORT:-4222}"
listen="${CREDENCE_LISTEN:-127.0.0.1:7878}"
servers="nats://127.0.0.1:$port,nats://127.0.0.1:$((port + 1)),nats://127.0.0.1:$((port + 2))"
routes="nats://127.0.0.1:$((port + 2000)),nats://127.0.0.1:$((port + 2001)),nats://127.0.0.1:$((port + 2002))"

# Starts a command in the background, with its output in NAME.log and its number in NAME.pid.
start() {
  name="$1"
  shift
  nohup "$@" >"$dir/$name.log" 2>&1 &
  echo $! >"$dir/$name.pid"
}

# Waits until a log says something; a command that ended meanwhile is started once more by its caller.
says() {
  n=0
  while ! grep -q "$2" "$dir/$1.log"; do
    n=$((n + 1))
    if [ "$n" -gt "${3:-300}" ] || ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null; then return 1; fi
    sleep 0.2
  done
}

case "${1:-}" in
stop)
  for name in front shard-1 shard-2 nats-1 nats-2 nats-3; do
    [ -e "$dir/$name.pid" ] || continue
    pid="$(cat "$dir/$name.pid")"
    kill "$pid" 2>/dev/null || true
    n=0
    while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 50 ]; do n=$((n + 1)); sleep 0.1; done
    rm -f "$dir/$name.pid"
  done
  echo "Stopped. What was answered is in $dir; delete that folder to begin anew."
  ;;
start)
  mkdir -p "$dir"
  chmod 700 "$dir"
  for pid in "$dir"/*.pid; do
    if [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; then echo "it is up already; make cluster-stop stops it" >&2; exit 1; fi
  done
  for i in 1 2 3; do
    start "nats-$i" nats-server -js -n "credence-$i" -a 127.0.0.1 -p $((port + i - 1)) -sd "$dir/nats-$i" \
      --cluster_name credence --cluster "nats://127.0.0.1:$((port + 1999 + i))" --routes "$routes"
  done
  # The first shard begins where nobody has begun yet (the default model is fetched then); the second begins as the first did.
  for shard in 1 2; do
    tries=0
    until start "shard-$shard" "$credence" --home "$dir/writer-$shard" shard write --on "$servers" --replicas 3 --shard "$shard/2" &&
      says "shard-$shard" "This writer has the shard" 1500; do
      tries=$((tries + 1))
      if [ "$tries" -gt 15 ]; then cat "$dir/shard-$shard.log" >&2; exit 1; fi
      sleep 1
    done
  done
  start front "$credence" --home "$dir/front" serve --stream "$servers" --listen "$listen"
  says front "^Open " || { cat "$dir/front.log" >&2; exit 1; }
  cat "$dir/front.log"
  echo "Three NATS servers, two shards and a front end are up; logs and data are in $dir. make cluster-stop stops them."
  ;;
*)
  echo "usage: cluster.sh start|stop" >&2
  exit 2
  ;;
esac
