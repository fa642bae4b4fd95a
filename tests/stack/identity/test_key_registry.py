"""API keys in a state folder: who has them, how they end, and what is where on the disk."""

from __future__ import annotations

import json
import multiprocessing
import re
import stat
from pathlib import Path

import pytest

from stack.errors import SettingInvalid
from stack.identity import key_registry
from stack.identity.envoy_files import read_keys
from stack.identity.key_registry import KeyRegistry
from stack.identity.own_credentials import own_key
from stack.machine.state_folder import StateFolder


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path)


@pytest.fixture
def registry(state: StateFolder) -> KeyRegistry:
    return KeyRegistry(state)


def in_envoy(state: StateFolder) -> dict[str, str]:
    """Return the clients that Envoy knows by their keys."""
    if not state.envoy_keys.exists():
        return {}
    (resource,) = json.loads(state.envoy_keys.read_text())["resources"]
    return {one["key"]: one["client"] for one in resource["typed_config"]["credentials"]}


def test_a_key_is_random_recognisable_and_known_to_envoy(state: StateFolder, registry: KeyRegistry) -> None:
    keys = {registry.create("customer", "grace") for _ in range(20)}
    assert len(keys) == 20
    # 256 bits in base64 without padding.
    assert all(re.fullmatch(r"om_[A-Za-z0-9_-]{43}", key) for key in keys)
    assert in_envoy(state) == dict.fromkeys(keys, "customer:grace")


def test_the_registry_tells_a_key_by_its_digest_and_its_end_only(state: StateFolder, registry: KeyRegistry) -> None:
    secret = registry.create("analyst", "ann", "reports")
    (key,) = registry.current()
    assert (key.role, key.subject, key.name, key.ending) == ("analyst", "ann", "reports", secret[-4:])
    assert secret not in state.api_keys.read_text()
    assert secret[3:20] not in repr(key)


def test_only_the_owner_reads_the_files(state: StateFolder, registry: KeyRegistry) -> None:
    own_key(state)
    for path in (state.api_keys, state.envoy_keys, state.operator_key, state.home / "keys.lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(state.envoy.stat().st_mode) & 0o007 == 0


@pytest.mark.parametrize(
    ("role", "subject", "name", "said"),
    [
        ("root", "x", "", "--role must be one of customer, operator, analyst, is 'root'"),
        ("customer", "", "", "--subject must have 1 to 128 printable ASCII characters"),
        ("customer", "a b", "", "--subject must have"),
        ("customer", "x" * 129, "", "--subject must have"),
        ("customer", "a\nb", "", "--subject must have"),
        ("customer", "x", "\x1b[2J", "--name must have at most 100 printable characters"),
    ],
)
def test_a_caller_that_cannot_be_is_refused(
    registry: KeyRegistry, role: str, subject: str, name: str, said: str
) -> None:
    with pytest.raises(SettingInvalid, match=re.escape(said)):
        registry.create(role, subject, name)
    assert registry.current() == []


def test_a_revoked_key_is_in_neither_file(state: StateFolder, registry: KeyRegistry) -> None:
    revoked, left = registry.create("customer", "grace"), registry.create("customer", "ada")
    first, _ = registry.current()
    assert registry.revoke(first.id).subject == "grace"
    assert [key.subject for key in registry.current()] == ["ada"]
    assert in_envoy(state) == {left: "customer:ada"}
    assert revoked not in state.envoy_keys.read_text()
    with pytest.raises(SettingInvalid, match=f"there is no key '{first.id}'"):
        registry.revoke(first.id)


def test_a_rotated_key_gives_way_at_once_or_after_its_grace(
    state: StateFolder, registry: KeyRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registry.create("customer", "grace", "shop")
    second = registry.rotate(registry.current()[0].id)
    assert in_envoy(state) == {second: "customer:grace"} != {first: "customer:grace"}
    third = registry.rotate(registry.current()[0].id, grace_seconds=3600)
    assert in_envoy(state) == {second: "customer:grace", third: "customer:grace"}
    assert [key.name for key in registry.current()] == ["shop", "shop"]
    now = key_registry.time.time()
    monkeypatch.setattr(key_registry.time, "time", lambda: now + 3601)
    registry.drop_expired()
    assert in_envoy(state) == {third: "customer:grace"}
    assert len(registry.current()) == 1


def test_a_rotated_key_does_not_outlive_the_end_it_had(registry: KeyRegistry) -> None:
    registry.create("operator", "session", lifetime_seconds=60)
    (old,) = registry.current()
    registry.rotate(old.id, grace_seconds=3600)
    assert [key.expires for key in registry.current()] == [old.expires, old.expires]


def test_what_somebody_adds_to_envoys_file_is_gone_with_the_next_change(
    state: StateFolder, registry: KeyRegistry
) -> None:
    known = registry.create("customer", "grace")
    content = json.loads(state.envoy_keys.read_text())
    forged = {"key": "om_forged", "client": "operator:root"}
    content["resources"][0]["typed_config"]["credentials"] += [forged, {"key": known, "client": "operator:root"}]
    state.envoy_keys.write_text(json.dumps(content))
    registry.restore()
    assert in_envoy(state) == {known: "customer:grace"}


def test_a_key_that_one_of_the_files_lost_is_not_valid(state: StateFolder, registry: KeyRegistry) -> None:
    key = registry.create("customer", "grace")
    assert registry.knows(key)
    state.envoy_keys.unlink()
    assert not registry.knows(key)
    registry.restore()
    assert in_envoy(state) == {}


def test_the_stacks_own_key_is_kept_and_made_again_when_it_is_revoked(
    state: StateFolder, registry: KeyRegistry
) -> None:
    first = own_key(state)
    assert own_key(state) == first
    assert in_envoy(state) == {first: "operator:stack"}
    registry.revoke(registry.current()[0].id)
    second = own_key(state)
    assert in_envoy(state) == {second: "operator:stack"} != {first: "operator:stack"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"id": 1}]'])
def test_a_broken_registry_is_named_and_kept(state: StateFolder, registry: KeyRegistry, text: str) -> None:
    state.api_keys.write_text(text)
    with pytest.raises(SettingInvalid, match=re.escape(f"{state.api_keys} is not a valid registry of keys")):
        registry.create("customer", "grace")
    assert state.api_keys.read_text() == text


def test_a_broken_file_of_envoy_is_named(state: StateFolder, registry: KeyRegistry) -> None:
    registry.create("customer", "grace")
    state.envoy_keys.write_text("{}")
    with pytest.raises(SettingInvalid, match=re.escape(f"{state.envoy_keys} is not a valid file of keys")):
        registry.create("customer", "ada")


def create_keys(home: Path) -> None:
    registry = KeyRegistry(StateFolder(home))
    for _ in range(10):
        registry.create("customer", "grace")


def test_commands_at_the_same_time_lose_no_key(state: StateFolder) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=create_keys, args=(state.home,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(KeyRegistry(state).current()) == len(read_keys(state.envoy_keys)) == 30
