"""A TLS 1.3 client that sends nothing but key updates, as fast as they are taken.

usage: key_updates.py PORT SECONDS [silent]

`silent`: each update asks for one in return, which is never read; once no more are taken the client stays and is silent.
"""

import ctypes
import socket
import sys
import time

ssl = ctypes.CDLL("libssl.so.3")
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(ssl, name).restype = ctypes.c_void_p


def main():
    port, seconds, silent = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] == ["silent"]
    end = time.monotonic() + seconds
    context = ctypes.c_void_p(ssl.SSL_CTX_new(ctypes.c_void_p(ssl.TLS_client_method())))
    updates = 0
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.setblocking(True)
            session = ctypes.c_void_p(ssl.SSL_new(context))
            ssl.SSL_set_fd(session, connection.fileno())
            if ssl.SSL_connect(session) != 1:
                continue
            connection.setblocking(False)
            while time.monotonic() < end:
                if ssl.SSL_key_update(session, 1 if silent else 0) != 1 or ssl.SSL_do_handshake(session) != 1:
                    if not silent and ssl.SSL_get_error(session, -1) not in (2, 3):
                        break
                    time.sleep(0.01)
                else:
                    updates += 1
            ssl.SSL_free(session)
    print(f"{updates} key updates", flush=True)


if __name__ == "__main__":
    main()
