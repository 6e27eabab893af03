#!/usr/bin/env bash
# The whole way with a real kernel and a real Docker: record a container, remove it, and ask what is left.
# Usage: end-to-end.sh AFTERIMAGE. Needs root. Uses the Docker daemon of DOCKER_HOST when one answers.
set -euo pipefail

afterimage=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export AFTERIMAGE_KEYS=$work/keys

fail() { echo "end to end: FAILED: $*" >&2; exit 1; }
pass() { echo "ok    $*"; }

# Runs a command that must end with the given exit codes; keeps its output in $work/out and $work/err.
expect() { # expect CODES COMMAND…
    local codes=$1 code=0; shift
    "$@" > out 2> err || code=$?
    case ",$codes," in *",$code,"*) ;; *) cat out err >&2; fail "$* ended with $code, not $codes" ;; esac
}
says() { grep -qE -- "$1" out || { cat out >&2; fail "expected $1 in the answer to: $2"; }; }

if ! "$afterimage" doctor > doctor.txt; then
    cat doctor.txt
    echo "skipped: end to end: this kernel cannot record (see doctor above)"
    exit 0
fi

# A throw-away container of the program's own.
expect 0,3 "$afterimage" demo --no-docker --no-inspect -o demo.aft
says 'break-in|processes|PROCESSES' demo
grep -qF -- "  $afterimage inspect " err || fail "the demonstration says how to go on with the program as it was called"
expect 0 "$afterimage" verify --key default demo.aft
says 'sealed and intact' verify
says 'signed seal' verify
ls /tmp/afterimage-demo-* > /dev/null 2>&1 && fail "the demonstration left files in /tmp"
for group in /sys/fs/cgroup/afterimage-demo-* /sys/fs/cgroup/unified/afterimage-demo-*; do
    [ -e "$group" ] && fail "the demonstration left $group"
done
expect 0,3 "$afterimage" read demo.aft -p '%proc.exepath %proc.cmdline' evt.type=execve
says '/tmp/\.x/kworker' "what was executed"
expect 0,3 "$afterimage" read demo.aft -p '%evt.type %fd.name' fd.name=/etc/shadow
says 'open.* /etc/shadow' "who opened /etc/shadow"
expect 0,3 "$afterimage" read demo.aft -p '%fd.name' evt.type=connect and fd.type=ipv4
says '127\.0\.0\.1:[0-9]+->127\.0\.0\.1:4444' "who connected to the attacker"
expect 0,3 "$afterimage" read demo.aft --json -n 5
[ "$(jq -s length out)" = 5 ] || fail "five JSON lines were asked for"
expect 0,3 "$afterimage" view demo.aft files --csv
says '/etc/cron.d/logrotate' "the files view"
pass "a break-in into a container that no longer exists is told with programs, files and connections"

# A command and its children.
expect 0,3 "$afterimage" record -q -o cmd.aft -- sh -c '/bin/true; /bin/cat /etc/hostname > /dev/null; exit 3'
expect 0,3 "$afterimage" read cmd.aft -p '%proc.name %proc.cmdline' evt.type=execve
says '^cat ' "the command's child"
expect 1 "$afterimage" read -q cmd.aft proc.name=nobody-has-this-name
pass "a command and its children are recorded from the first call"

# A recorder that is killed loses a second at most.
"$afterimage" record -q -o killed.aft -- sh -c 'for i in $(seq 120); do /bin/true; sleep 0.05; done' &
recorder=$!
sleep 4
kill -KILL "$recorder"
wait "$recorder" 2> /dev/null || true
expect 3 "$afterimage" read killed.aft --count-only evt.type=execve
[ "$(cat out)" -gt 10 ] || fail "of a killed recorder's events only $(cat out) are left"
expect 3 "$afterimage" verify killed.aft
pass "a killed recorder leaves what it had written"

# What must fail, and leave nothing behind.
expect 1 "$afterimage" record -q -o cmd.aft -- true
grep -q 'exists already' err || fail "an existing capture must not be overwritten"
expect 2 "$afterimage" read cmd.aft proc.nmae=x
grep -q 'proc.name' err || fail "a mistyped field must be answered with the nearest"
size=$(stat -c %s demo.aft)
head -c $((size - 200)) demo.aft > torn.aft
expect 3 "$afterimage" info torn.aft
expect 3 "$afterimage" verify torn.aft
expect 3 "$afterimage" recover torn.aft -o rescued.aft
expect 0 "$afterimage" verify rescued.aft
expect 3 "$afterimage" read rescued.aft --count-only
says '^[0-9]{3,}$' "how many events the torn capture still held"
# Cut before its schema ended, a capture holds no event that could be saved.
head -c 4000 demo.aft > short.aft
expect 1 "$afterimage" recover short.aft -o nothing.aft
grep -q 'schema is missing' err || fail "a capture without its schema must be refused"
[ ! -e nothing.aft ] || fail "a refused recovery left a file"
cp demo.aft flipped.aft
printf '\377' | dd of=flipped.aft bs=1 seek=$((size / 2)) conv=notrunc status=none
expect 4 "$afterimage" verify flipped.aft
"$afterimage" read demo.aft | head -n 1 > /dev/null || fail "a closed pipe is no error"
pass "torn, changed and mistyped are told apart, each with its exit code"

# As a user without rights.
if command -v setpriv > /dev/null; then
    chmod 755 "$work"
    cp "$afterimage" "$work/afterimage"
    code=0
    setpriv --reuid=65534 --regid=65534 --clear-groups ./afterimage record -o /tmp/unprivileged-$$.aft --duration 1s > out 2> err || code=$?
    [ "$code" = 1 ] || { cat err >&2; fail "recording without rights ended with $code"; }
    [ ! -e /tmp/unprivileged-$$.aft ] || fail "a failed recording left a file behind"
    code=0
    setpriv --reuid=65534 --regid=65534 --clear-groups env AFTERIMAGE_KEYS=/tmp/unprivileged-$$ ./afterimage watch > out 2> err || code=$?
    [ "$code" = 1 ] || { cat err >&2; fail "watching without rights ended with $code"; }
    grep -q 'needs root' err || { cat err >&2; fail "a watch without rights must say which are missing"; }
    [ ! -e /tmp/unprivileged-$$ ] || fail "a refused watch made a key"
    pass "without rights there is one line, a remedy, and no file"
fi

# A real container.
if ! docker version > /dev/null 2>&1; then
    echo "skipped: end to end with Docker: no daemon answers"
    exit 0
fi
image=afterimage-end-to-end:busybox
mkdir -p root/bin root/etc root/tmp
cp "$(command -v busybox)" root/bin/busybox
for applet in sh cat sleep touch rm; do ln -s busybox "root/bin/$applet"; done
echo 'root:x:0:0::/:/bin/sh' > root/etc/passwd
echo 'secret' > root/etc/shadow
tar -C root -c . | docker import - "$image" > /dev/null
docker run -d --name afterimage-web --network none --label team=blue "$image" /bin/sh -c \
    'while [ ! -e /tmp/go ]; do /bin/sleep 0.1; done; /bin/cat /etc/shadow; /bin/touch /tmp/done; exec /bin/sleep 600' > /dev/null
trap 'docker rm -f afterimage-web > /dev/null 2>&1 || true; docker image rm -f "$image" > /dev/null 2>&1 || true; rm -rf "$work"' EXIT
"$afterimage" record -o web.aft --container afterimage-web 2> record.err &
recorder=$!
for _ in $(seq 100); do grep -q 'recording into' record.err && break; sleep 0.1; done
docker exec afterimage-web /bin/touch /tmp/go
for _ in $(seq 100); do docker exec afterimage-web /bin/cat /tmp/done > /dev/null 2>&1 && break; sleep 0.1; done
docker rm -f afterimage-web > /dev/null
sleep 1
kill -INT "$recorder"
code=0; wait "$recorder" || code=$?
case $code in 0|3) ;; *) cat record.err >&2; fail "record ended with $code" ;; esac
expect 0 "$afterimage" verify web.aft
expect 0,3 "$afterimage" info web.aft
says 'afterimage-web' "the container's name"
says 'afterimage-end-to-end' "its image"
expect 0,3 "$afterimage" read -pc web.aft fd.name=/etc/shadow
says 'afterimage-web .*cat' "who read /etc/shadow in it"
expect 0,3 "$afterimage" read web.aft -p '%container.label.team' proc.name=cat
says '^blue$' "its label"
expect 0,3 "$afterimage" view web.aft containers
says 'afterimage-web' "the containers view"
pass "a Docker container that was removed is told by name, image and label"
