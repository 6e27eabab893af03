#!/bin/busybox sh
# The first and only program of a guest whose power is cut: records everything onto a disk, and says on the console from when on.
# The kernel is told which file system the disk has (`system=xfs`), and what is between them, if anything (`flaky=drop_writes`).

/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TMPDIR=/tmp AFTERIMAGE_KEYS=/tmp/keys
mkdir -p /proc /sys /dev /tmp /root /etc /run /data
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2> /dev/null
mount -t tmpfs tmp /tmp
mount -t cgroup2 groups /sys/fs/cgroup
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
for word in $(cat /proc/cmdline); do
    case $word in system=* | flaky=*) eval "${word%%=*}=\${word#*=}" ;; esac
done
disk=/dev/nvme0n1
modprobe "$system" 2> /dev/null
if [ -n "$flaky" ]; then
    modprobe dm-flakey
    # Twenty seconds of a disk that works, for the start; then five that it does not, and five that it does, by turns.
    sectors=$(cat /sys/block/nvme0n1/size)
    dmsetup create flaky --noudevsync --table "0 $sectors flakey $disk 0 20 0" || echo "@@ ended: no flaky disk"
    # Nobody else makes its node here.
    dmsetup mknodes flaky
    disk=/dev/mapper/flaky
fi
mount -t "$system" "$disk" /data || echo "@@ ended: no disk"
afterimage record --host -o /data/cut.aft 2> /tmp/said &
recorder=$!
until grep -q ecording /tmp/said; do
    kill -0 $recorder || { cat /tmp/said; echo "@@ ended: it did not begin"; poweroff -f; }
done
echo "@@ at $(date +%s)"
if [ -n "$flaky" ]; then
    dmsetup suspend --noudevsync flaky
    dmsetup load flaky --table "0 $sectors flakey /dev/nvme0n1 0 5 5 1 $flaky"
    dmsetup resume --noudevsync flaky
    echo "@@ flaky"
fi
# Something goes on until there is no power.
while kill -0 $recorder; do
    echo "@@ at $(date +%s)"
    for _ in 1 2 3 4 5 6 7 8; do
        cp /etc/passwd /tmp/copy
        rm /tmp/copy
    done
done
wait $recorder
echo "@@ ended: with $?: $(cat /tmp/said | tr '\n' ' ')"
poweroff -f
