#!/bin/sh
# A small web server on a quiet morning: what normal looks like, to hold other captures against.
#
# It serves a page, a picture, a missing page and a generated one, and is then stopped in order.
set -u

/bin/mkdir -p /var/www/cgi-bin /var/log
echo '<h1>It works</h1>' > /var/www/index.html
/bin/head -c 20000 /dev/zero > /var/www/picture.png
/bin/cat > /var/www/cgi-bin/date <<'PAGE'
#!/bin/sh
echo "Content-Type: text/plain"
echo
/bin/date
PAGE
/bin/chmod +x /var/www/cgi-bin/date
/bin/httpd -f -p 127.0.0.1:8080 -h /var/www &
server=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    /bin/grep -q ':1F90 ' /proc/net/tcp /proc/net/tcp6 && break
    /bin/sleep 0.5
done
for page in index.html picture.png nothing-here.html cgi-bin/date index.html; do
    /bin/wget -q -O /dev/null "http://127.0.0.1:8080/$page"
    /bin/sleep 0.1
done
/bin/kill "$server"
wait "$server"
exit 0
