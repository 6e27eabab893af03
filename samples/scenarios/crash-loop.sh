#!/bin/sh
# A service that cannot start, and a supervisor that will not give up.
#
# Five attempts: the first four find their configuration unreadable or missing and exit with 78; then somebody "fixes"
# the configuration and the fifth dies of SIGSEGV. The supervisor logs each end and gives up.
set -u

/bin/mkdir -p /etc/service /var/log /usr/local/bin
/bin/cat > /usr/local/bin/service <<'SERVICE'
#!/bin/sh
if ! /bin/cat /etc/service/config.toml > /dev/null 2>&1; then
    echo "service: cannot read /etc/service/config.toml" >&2
    exit 78
fi
/bin/mkdir /run/service.lock 2> /dev/null
kill -SEGV $$
SERVICE
/bin/chmod +x /usr/local/bin/service

for attempt in 1 2 3 4 5; do
    [ "$attempt" = 5 ] && echo 'listen = 8080' > /etc/service/config.toml
    /usr/local/bin/service 2>> /var/log/service.log
    echo "attempt $attempt ended with $?" >> /var/log/supervisor.log
    /bin/sleep 0.1
done
/bin/rm -f /run/service.pid
exit 1
