import os
import socket

import pytest

from stack.errors import PortTaken
from stack.machine import ports


def test_allocated_ports_are_free_and_different() -> None:
    found = ports.allocate(10)
    assert len(set(found)) == 10
    assert all(ports.is_free(port) for port in found)


def test_a_taken_port_is_reported_with_its_purpose_and_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.holder(ports.listeners(port)) == os.getpid()
        with pytest.raises(PortTaken, match=rf"port {port} \(Envoy\) is taken by process {os.getpid()} \(.*python"):
            ports.require_free({"Envoy": port, "Kafka": ports.allocate(1)[0]})


def test_a_port_that_listens_on_all_addresses_is_taken() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not ports.is_free(server.getsockname()[1])


def test_every_taken_port_is_reported_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        taken = {"one": one.getsockname()[1], "other": other.getsockname()[1]}
        with pytest.raises(PortTaken, match=r"(?s)\(one\).*\(other\)"):
            ports.require_free(taken)


def test_a_claimed_port_is_taken_before_anything_listens() -> None:
    (port,) = ports.allocate(1)
    with ports.claimed({"Envoy": port}):
        assert ports.is_free(port)
        assert not ports.is_usable(port)
        with pytest.raises(PortTaken, match=f"port {port} is claimed by another stack"), ports.claimed({"other": port}):
            pass
    assert ports.is_usable(port)
