"""The proxies that other tests break connections with, against a server that sends back what it gets."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from faults.injection.tcp_proxy import TO_CLIENT, TO_SERVER, TcpProxy

PATIENCE_SECONDS = 5.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        # The proxies cut connections: that is how these end here.
        with suppress(ConnectionError):
            while data := self.request.recv(4096):
                self.server.got.append(data)  # type: ignore[attr-defined]
                self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.got: list[bytes] = []


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[TcpProxy]:
    with TcpProxy(echo.server_address) as made:
        yield made


def connect(proxy: TcpProxy) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.port), PATIENCE_SECONDS)
    client.sendall(b"hello")
    assert client.recv(10) == b"hello"
    return client


def test_what_is_cut_is_reset_and_the_next_connection_passes(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(10)
    connect(proxy).close()


def test_a_polite_cut_is_the_end_of_the_stream(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.cut(reset=False)
        assert client.recv(10) == b""


def test_each_target_has_a_port_and_a_fault_is_that_of_all(echo: EchoServer) -> None:
    with EchoServer() as other, TcpProxy(echo.server_address, other.server_address) as proxy:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        assert proxy.address == ",".join(f"127.0.0.1:{port}" for port in proxy.ports)
        clients = [socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) for port in proxy.ports]
        for client, word in zip(clients, (b"one", b"two"), strict=True):
            client.sendall(word)
            assert client.recv(10) == word
        assert (echo.got, other.got) == ([b"one"], [b"two"])
        proxy.refuse()
        proxy.cut()
        for client, port in zip(clients, proxy.ports, strict=True):
            with client, pytest.raises(ConnectionResetError):
                client.recv(10)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        proxy.listen()
        for port in proxy.ports:
            socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
        other.shutdown()


@pytest.mark.parametrize("direction", [TO_SERVER, TO_CLIENT])
def test_what_is_held_in_one_direction_passes_when_it_is_released(
    proxy: TcpProxy, echo: EchoServer, direction: str
) -> None:
    with connect(proxy) as client:
        proxy.hold(direction)
        client.sendall(b"more")
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert (echo.got == [b"hello", b"more"]) == (direction == TO_CLIENT)
        proxy.release()
        client.settimeout(PATIENCE_SECONDS)
        assert client.recv(10) == b"more"


def test_nobody_listens_while_it_refuses(proxy: TcpProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.listen()
    connect(proxy).close()


def test_a_slow_and_late_connection_loses_nothing(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        proxy.bytes_per_second, proxy.delay_seconds = 20_000, 0.001
        client.sendall(b"x" * 3000)
        got = b""
        while len(got) < 3000:
            got += client.recv(4096)
        assert got == b"x" * 3000
