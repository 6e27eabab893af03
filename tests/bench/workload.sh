#!/bin/bash
# The workload of `tests/bench/format`: compile, find, tar, git, python, a shell, redis, nginx, one after another. What a
# machine does not have is left out and said so.
#
# usage: workload.sh FOLDER [ROUNDS]
set -u
folder=$1 rounds=${2:-1}
mkdir -p "$folder"
cd "$folder" || exit 1
has() { command -v "$1" >/dev/null || { echo "workload: no $1 here" >&2; false; }; }
source_tree() { # seeded: the same files each time
	python3 - "$1" <<-'PY'
	import os, random, sys
	random.seed(7)
	os.makedirs(sys.argv[1], exist_ok=True)
	for at in range(30):
	    heads = "".join(f"#include <{name}.h>\n" for name in random.sample(
	        ["stdio", "stdlib", "string", "unistd", "math", "errno", "time", "ctype", "signal", "pthread"], 5))
	    body = "".join(f"int f{at}_{n}(int x) {{ return x * {random.randrange(999)} + {n}; }}\n" for n in range(40))
	    open(f"{sys.argv[1]}/f{at}.c", "w").write(heads + body)
	open(f"{sys.argv[1]}/main.c", "w").write("int main(void) { return 0; }\n")
	names = " ".join(f"f{at}.o" for at in range(30))
	open(f"{sys.argv[1]}/Makefile", "w").write(f"all: main.o {names}\n\t$(CC) -o all $^\n")
	PY
}
for round in $(seq "$rounds"); do
	if has python3; then
		source_tree "tree$round"
		has make && has gcc && make -s -j2 -C "tree$round"
		python3 - <<-'PY'
		import http.server, json, os, sqlite3, threading, urllib.request
		base = sqlite3.connect("base.db")
		base.execute("create table if not exists t (a integer, b text)")
		for at in range(300):
		    base.execute("insert into t values (?, ?)", (at, json.dumps({"at": at, "text": "x" * (at % 50)})))
		    if at % 10 == 0:
		        base.commit()
		for at in range(0, 300, 7):
		    base.execute("select * from t where a = ?", (at,)).fetchall()
		class Quiet(http.server.SimpleHTTPRequestHandler):
		    def log_message(self, *rest):
		        pass
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
		threading.Thread(target=server.serve_forever, daemon=True).start()
		for at in range(200):
		    urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/base.db").read()
		for top, folders, names in os.walk("/usr/lib/python3"):
		    for name in names[:3]:
		        open(os.path.join(top, name), "rb").read(4096)
		PY
	fi
	find /usr/share /usr/lib -name '*.so*' -size +1k >/dev/null
	ls -lR /usr/include /etc >/dev/null 2>&1
	tar -czf "round$round.tar.gz" -C /usr/include linux asm-generic && tar -xzf "round$round.tar.gz" -C "$folder"
	grep -r nothing_has_this_name linux >/dev/null
	if has git; then
		git init -q "repository$round" && cp -r asm-generic "repository$round/" && (
			cd "repository$round" && git -c user.name=a -c user.email=a@b add . &&
				git -c user.name=a -c user.email=a@b commit -qm one && git log --stat >/dev/null && git status >/dev/null
		)
	fi
	has dpkg && dpkg -l >/dev/null && dpkg -L libc6 coreutils >/dev/null
	for at in $(seq 150); do
		/bin/echo "$at $(expr $at + 1)" | sed 's/1/2/' | cat >>loop
		test -e loop && [ -s loop ] && rm -f none
	done
	if has redis-server && has redis-benchmark; then
		redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --daemonize no >/dev/null &
		server=$!
		until [ -S "$folder/redis.sock" ]; do sleep 0.05; done
		redis-benchmark -s "$folder/redis.sock" -q -c 20 -n 20000 -t set,get,incr,lpush >/dev/null
		kill "$server"
		wait "$server"
	fi
	if has nginx && has wrk; then
		mkdir -p www && cp /usr/include/linux/*.h www/
		cat >nginx.conf <<-NGINX
			daemon off; pid $folder/nginx.pid; worker_processes 2; error_log $folder/error.log;
			events { worker_connections 256; }
			http { access_log $folder/access.log; client_body_temp_path $folder/tmp; proxy_temp_path $folder/tmp;
			fastcgi_temp_path $folder/tmp; uwsgi_temp_path $folder/tmp; scgi_temp_path $folder/tmp;
			server { listen 127.0.0.1:18765; root $folder/www; } }
		NGINX
		nginx -c "$folder/nginx.conf" 2>/dev/null &
		server=$!
		until [ -s "$folder/nginx.pid" ]; do sleep 0.05; done
		wrk -t2 -c16 -d3 http://127.0.0.1:18765/tcp.h >/dev/null
		wrk -t2 -c16 -d2 http://127.0.0.1:18765/nothing >/dev/null
		kill "$server"
		wait "$server"
	fi
done
