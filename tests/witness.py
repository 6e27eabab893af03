"""A witness over TLS for tests: witness.py CERT KEY BODIES [REQUESTS]

Prints its port. Takes so many connections, or any number until it is ended; appends what comes with each request to BODIES, and
the heads of the requests to BODIES.heads.
"""

import itertools
import socket
import ssl
import sys

cert, key, bodies = sys.argv[1:4]
requests = range(int(sys.argv[4])) if len(sys.argv) > 4 else itertools.count()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(8)
print(listener.getsockname()[1], flush=True)
for _ in requests:
    stream, _ = listener.accept()
    try:
        stream = context.wrap_socket(stream, server_side=True)
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += stream.recv(65536)
        head, rest = seen.split(b"\r\n\r\n", 1)
        length = [l for l in head.split(b"\r\n") if l.lower().startswith(b"content-length:")]
        while len(rest) < int(length[0].split(b":")[1]):
            rest += stream.recv(65536)
        with open(bodies, "ab") as out, open(bodies + ".heads", "ab") as heads:
            out.write(rest)
            heads.write(head + b"\r\n")
        stream.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        stream.unwrap()
    except (ssl.SSLError, OSError) as error:
        print(error, file=sys.stderr)
