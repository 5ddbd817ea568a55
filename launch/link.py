"""What launch/two-hosts --check measures: python3 link.py serve | measure ADDRESS

One connection. For each way in turn, then for both at once, SECONDS of data as fast as the link takes
them; the receiver counts, from its first byte on. Then round trips of one byte, of which the median is
printed.
"""
import socket
import sys
import threading
import time

PORT = 7001
SECONDS = 2.0
BLOCK = 1 << 18


def send(connection):
    """Sends for SECONDS, then a block's length of ones as the end."""
    block = bytes(BLOCK)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        connection.sendall(block)
    connection.sendall(b"\1" * BLOCK)


def receive(connection):
    """Bits a second."""
    buffer = bytearray(BLOCK)
    connection.recv_into(buffer, 1, socket.MSG_PEEK)
    start = time.perf_counter()
    count = 0
    last = 0
    while last == 0 or count % BLOCK:
        # Never into what comes behind the end.
        got = connection.recv_into(buffer, BLOCK - count % BLOCK)
        if got == 0:
            sys.exit("link.py: the other end is gone")
        count += got
        last = buffer[got - 1]
    return 8 * count / (time.perf_counter() - start)


def exchange(connection):
    """Bits a second received while as many are sent."""
    sender = threading.Thread(target=send, args=(connection,))
    sender.start()
    rate = receive(connection)
    sender.join()
    return rate


def serve():
    with socket.create_server(("", PORT)) as server:
        connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rate = receive(connection)
        connection.sendall(f"{rate:024.6f}".encode())
        send(connection)
        exchange(connection)
        while byte := connection.recv(1):
            connection.sendall(byte)


def connect(address):
    for _ in range(100):
        try:
            return socket.create_connection((address, PORT))
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit(f"link.py: nobody serves at {address}")


def measure(address):
    with connect(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send(connection)
        there = float(connection.recv(24, socket.MSG_WAITALL))
        back = receive(connection)
        both = exchange(connection)
        trips = []
        for _ in range(1001):
            start = time.perf_counter()
            connection.sendall(b"\1")
            connection.recv(1)
            trips.append(time.perf_counter() - start)
    trips.sort()
    print(f"{there / 1e9:.3f} Gbit/s there, {back / 1e9:.3f} Gbit/s back, {both / 1e9:.3f} Gbit/s each "
          f"way at once (TCP payload); round trip {trips[500] * 1e6:.0f} us (median of 1001)")


if len(sys.argv) == 2 and sys.argv[1] == "serve":
    serve()
elif len(sys.argv) == 3 and sys.argv[1] == "measure":
    measure(sys.argv[2])
else:
    sys.exit(__doc__)
