#!/bin/busybox sh
# The first and only program of a guest: records the provoke suite and a small story on this kernel, and says on the
# console what came of it, in lines that begin with `@@`. `tests=provoke,truth` on the kernel's command line names the
# suites to run, `only=TEXT` those of their tests that have it in their names.

/bin/busybox --install -s /bin
# Not an applet: the suite gives it a name that busybox would look up.
cp /tests/true /bin/true.new && mv /bin/true.new /bin/true
export PATH=/bin HOME=/root TMPDIR=/tmp RUST_BACKTRACE=1
mkdir -p /proc /sys /dev /tmp /root /etc /run /usr/bin /var
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2> /dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mount -t tracefs tracing /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
ln -s /proc/self/fd /dev/fd
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
echo 'nobody:x:65534:65534:nobody:/:/bin/sh' >> /etc/passwd
echo 'root:x:0:' > /etc/group
ip link set lo up
hostname guest
hostname > /etc/hostname
cd /tmp

say() { echo "@@ $*"; }
now() { cut -d ' ' -f 1 /proc/uptime; }
since() { echo "$(now) $1" | awk '{ printf "%.2f", $1 - $2 }'; }
word() { tr ' ' '\n' < /proc/cmdline | sed -n "s/^$1=//p"; }
say kernel "$(uname -r)"

# Runs what has to be refused: exit code 1, one sentence and one remedy, no file, within a second.
refused() { # refused NAME WORDS COMMAND…
    local name=$1 words=$2 begun code took said; shift 2
    rm -f /tmp/*.aft
    begun=$(now)
    "$@" > /tmp/said 2>&1
    code=$?
    took=$(since "$begun")
    said=$(cat /tmp/said)
    echo "$said"
    if [ $code = 1 ] && echo "$said" | grep -q "$words" && [ "$(wc -l < /tmp/said)" = 2 ] && grep -q '^  try: ' /tmp/said \
        && ! ls /tmp/*.aft > /dev/null 2>&1; then
        say refused "$name" pass "$took"
    else
        say refused "$name" FAIL "$took, exit code $code"
    fi
}
record="afterimage record -o /tmp/no.aft -- true"

refused no-cgroup2 'control group' afterimage record -o /tmp/no.aft --container web

# A host with control groups of version 1 only: a container is told by the hierarchy of a controller.
mount -t tmpfs groups /sys/fs/cgroup && mkdir /sys/fs/cgroup/pids && mount -t cgroup -o pids pids /sys/fs/cgroup/pids
afterimage record -o /tmp/legacy.aft 2> /tmp/said &
recorder=$!
while ! grep -q ecording /tmp/said && kill -0 $recorder; do sleep 0.1; done
id=$(printf '%064d' 7)
mkdir -p /sys/fs/cgroup/pids/docker/$id
sh -c "echo \$\$ > /sys/fs/cgroup/pids/docker/$id/cgroup.procs && exec cat /etc/passwd" > /dev/null
cat /etc/group > /dev/null
kill -INT $recorder
wait $recorder
say legacy "$? $(afterimage read /tmp/legacy.aft -p '%container.full_id' fd.name=/etc/passwd | sort | uniq | tr -d '0\n') $(afterimage read /tmp/legacy.aft fd.name=/etc/group | grep -c .)"
rmdir /sys/fs/cgroup/pids/docker/$id /sys/fs/cgroup/pids/docker
umount /sys/fs/cgroup/pids && umount /sys/fs/cgroup

mount -t cgroup2 cgroup /sys/fs/cgroup
mount --bind /tmp /sys/kernel/btf
refused no-btf 'type information' $record
umount /sys/kernel/btf
refused ordinary-user 'CAP_BPF' su -s /bin/sh nobody -c "$record"
refused pid-namespace 'pids' unshare -p -f $record

afterimage doctor
say doctor $?

begun=$(now)
afterimage record --reason matrix --operator matrix -o /tmp/story.aft -- sh -c '
    cut -d " " -f 1 /proc/uptime > /tmp/armed
    cat /etc/passwd > /tmp/copy
    nc 127.0.0.1 7777 < /dev/null
    rm /tmp/copy; cat /no/such/file; true' < /dev/null
say story $?
say armed "$(echo "$(cat /tmp/armed) $begun" | awk '{ printf "%.2f", $1 - $2 }')"
afterimage verify /tmp/story.aft
say verify $?
afterimage info /tmp/story.aft
afterimage view /tmp/story.aft processes
afterimage read /tmp/story.aft fd.name=/etc/passwd
say read "$(afterimage read /tmp/story.aft fd.name=/etc/passwd | grep -c openat)"

# Tasks take turns on their CPUs in the middle of calls, and nothing of either is lost for that.
afterimage record -q --ring 64MiB -o /tmp/turns.aft -- sh -c '
    for at in 1 2 3 4 5 6; do dd if=/dev/zero of=/dev/null bs=1 count=3000 2> /dev/null & done; wait'
afterimage info /tmp/turns.aft | grep Books
afterimage view /tmp/turns.aft gaps
say turns "$(afterimage view /tmp/turns.aft gaps | grep -c 'on_sys_exit\|same CPU') $(afterimage read /tmp/turns.aft evt.type=write and evt.rawres=1 | wc -l)"

# Neither are programs that begin and end on a busy CPU: what the kernel did not run for one of them is told, and of a tree a child
# whose fork was left out is taken in when it becomes another program.
brief() { # brief NAME OPTION…
    local name=$1 found told; shift
    afterimage record -q --ring 64MiB -o /tmp/$name.aft "$@" -- sh -c '
        for at in 1 2 3 4; do (for one in $(seq 100); do /bin/true; done) & done; wait'
    afterimage view /tmp/$name.aft gaps
    found=$(afterimage read /tmp/$name.aft evt.type=execve and proc.exepath=/bin/true and evt.failed=false | wc -l)
    told=$(afterimage view /tmp/$name.aft gaps | grep -o 'on_exec [0-9]* times' | awk '{ all += $2 } END { print all + 0 }')
    say $name "$((found + told >= 400)) $found $told"
}
brief brief --host
brief tree

# Each setting of the wall clock is told, by how much, and no event changes its place.
afterimage record -q -o /tmp/clock.aft -- sh -c '
    now=$(date +%s)
    for at in 3600 -3600 315576000 -315576000 0; do date -s @$((now + at)) > /dev/null; cat /etc/passwd > /dev/null; sleep 0.2; done'
afterimage view /tmp/clock.aft gaps
afterimage verify /tmp/clock.aft
say clock "$? $(afterimage view /tmp/clock.aft gaps | awk '/clock-step/ { way = $0 ~ /set back/ ? "back" : "ahead"; sub(/.* by /, ""); sub(/\..*/, ""); printf "%s ", way }')"
say order "$(afterimage read /tmp/clock.aft -p '%evt.rawtime' | sort -n -c && echo kept)"

# While a watch goes on the clock is set and the host gets another name: what is written from then on says so, and tells the time
# as it is then.
cat > /tmp/watch.toml << 'END'
[evidence]
folder = "/tmp/evidence"
after = "100ms"
free = "0"
[[trigger]]
kind = "command"
END
afterimage watch --config /tmp/watch.toml --socket /tmp/watch.sock --no-sign > /tmp/said 2>&1 &
watch=$!
while ! afterimage watch status --socket /tmp/watch.sock > /dev/null 2>&1 && kill -0 $watch; do sleep 0.1; done
today=$(date +%s)
date -s @$((today + 864000)) > /dev/null
hostname renamed
mkdir -p /sys/fs/cgroup/docker/$id
sh -c "echo \$\$ > /sys/fs/cgroup/docker/$id/cgroup.procs && exec cat /etc/passwd" > /dev/null
file=$(afterimage trigger --socket /tmp/watch.sock --reason renamed)
then=$(afterimage read "$file" -p '%evt.datetime.s' evt.type=openat and fd.name=/etc/passwd | cut -d ' ' -f 1)
say watch "$(test "$then" = "$(date +%Y-%m-%d)" && echo now) $(afterimage info "$file" | grep -c 'renamed, Linux') $(afterimage view "$file" gaps | grep -c 'set ahead by 86[34]...\.')"
kill $watch
wait $watch
cat /tmp/said
date -s @"$today" > /dev/null
rmdir /sys/fs/cgroup/docker/$id /sys/fs/cgroup/docker

# The kernel asks for a module because of what a program does; and one is loaded and removed, where there is one for this kernel.
module=/modules/$(uname -r)/dummy.ko
afterimage record -q -o /tmp/modules.aft -- sh -c "
    mount -t nosuchfs none /tmp 2> /dev/null
    if [ -e $module ]; then insmod $module && rmmod dummy; fi; true"
afterimage read /tmp/modules.aft 'evt.type startswith module_'
say modules "$(afterimage read /tmp/modules.aft -p '%proc.name:%evt.type:%evt.arg.name' 'evt.type startswith module_ and evt.arg.name in (fs-nosuchfs, dummy)' | tr '\n' ' ')"

# The capture as it is, for the machine outside.
stty -F /dev/ttyS1 raw -echo && cat /tmp/story.aft > /dev/ttyS1 && say sent "$(wc -c < /tmp/story.aft)"

for test in $(word tests | tr , ' '); do
    begun=$(now)
    /tests/$test --test-threads=1 --nocapture --skip every_case_makes_its_call $(word only) > /tmp/log 2>&1
    code=$?
    cat /tmp/log
    say "$test" $code "$(since "$begun")" \
        "$(sed -n 's/^test result: [A-Za-z]*\. \([0-9]*\) passed; \([0-9]*\) failed.*/\1 passed \2 failed/p' /tmp/log)" \
        "$(grep -c '^skipped: ' /tmp/log) skipped"
done

# What is locked cannot be unlocked: last of all.
echo confidentiality > /sys/kernel/security/lockdown
refused lockdown 'lockdown' $record
afterimage doctor
say locked-doctor $?

say done "$(now)"
sync
poweroff -f
