"""What the front proxy accepts as a session of the dashboard: an operator's API key or token, for a limited time."""

from __future__ import annotations

from runtime.audit.entries import Action
from runtime.audit.spool import Spool
from runtime.authentication import Authentication
from stack.identity.api_key import digest_of, new_id
from stack.identity.key_registry import KeyRegistry
from stack.identity.operator import origin
from stack.identity.own_credentials import own_token
from stack.identity.sessions import Credentials
from stack.machine.state_folder import StateFolder

SUBJECT, NAME = "dashboard", "session of the dashboard"


class KeySessions:
    """API keys as sessions; those that a killed stack left are revoked."""

    def __init__(self, registry: KeyRegistry, spool: Spool) -> None:
        self._registry = registry
        self._spool = spool
        for key in registry.current():
            if key.name == NAME and key.expires is not None:
                registry.revoke(key.id)

    def create(self, lifetime_seconds: float) -> str:
        """Return a new key."""
        made_id = new_id()
        with self._spool.recording(origin(), begin(lifetime_seconds, made_id)):
            return self._registry.create("operator", SUBJECT, NAME, lifetime_seconds, made_id)

    def end(self, credential: str) -> None:
        """Revoke a key."""
        digest = digest_of(credential)
        for key in self._registry.current():
            if key.digest == digest:
                self._registry.revoke(key.id)

    def revocations(self) -> int:
        """Return how often keys ended: revoked, replaced or expired."""
        return self._registry.revocations()


class TokenSessions:
    """Tokens as sessions. A token is valid until its time is over, also after the browser has forgotten it."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state

    def create(self, lifetime_seconds: float) -> str:
        """Return a new token."""
        with Spool(self._state.audit_spool).recording(origin(), begin(lifetime_seconds)):
            return own_token(self._state, subject=SUBJECT, lifetime_seconds=lifetime_seconds)

    def end(self, credential: str) -> None:
        """Leave the token to its end."""

    def revocations(self) -> int:
        """Return 0: a token ends with its time, as every stream does."""
        return 0


def session_credentials(authentication: Authentication, state: StateFolder) -> Credentials | None:
    """Return what makes sessions, None without authentication."""
    if authentication == "off":
        return None
    if authentication == "keys":
        return KeySessions(KeyRegistry(state), Spool(state.audit_spool))
    return TokenSessions(state)


def begin(lifetime_seconds: float, key_id: str = "") -> Action:
    """Return what is recorded of a new session: its key, empty for a token, and its time."""
    return Action("session begin", f"operator:{SUBJECT}", None, {"id": key_id, "seconds": lifetime_seconds})
