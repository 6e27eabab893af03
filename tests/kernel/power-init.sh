#!/bin/busybox sh
# The first and only program of a guest whose power is cut: records everything onto a disk, and says on the console from when on.

/bin/busybox --install -s /bin
export PATH=/bin HOME=/root TMPDIR=/tmp AFTERIMAGE_KEYS=/data/keys
mkdir -p /proc /sys /dev /tmp /root /etc /run /data
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2> /dev/null
mount -t tmpfs tmp /tmp
mount -t cgroup2 groups /sys/fs/cgroup
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
mount -t ext4 /dev/nvme0n1 /data || echo "@@ no disk"
afterimage record --host -o /data/cut.aft 2> /tmp/said &
until grep -q ecording /tmp/said; do
    kill -0 $! 2> /dev/null || { cat /tmp/said; echo "@@ ended"; poweroff -f; }
done
# Something goes on until there is no power.
while :; do
    echo "@@ at $(date +%s)"
    for _ in 1 2 3 4 5 6 7 8; do
        cp /etc/passwd /tmp/copy
        rm /tmp/copy
    done
done
