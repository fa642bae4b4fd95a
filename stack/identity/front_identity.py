"""How the front proxy of a stack authenticates callers: the settings, and the files that Envoy reads."""

from __future__ import annotations

import json
from pathlib import Path

from frontdoor.policies.identity import Identity, identity_of

from runtime.settings import PREFIX
from stack.errors import SettingInvalid
from stack.identity.envoy_files import write_for_envoy
from stack.identity.key_registry import KeyRegistry
from stack.identity.own_credentials import own_key, write_own_jwks
from stack.machine.state_folder import StateFolder
from stack.settings import StackSettings


def prepare_identity(settings: StackSettings, state: StateFolder) -> Identity:
    """Write the files of keys for Envoy; return how callers are authenticated. Raises SettingInvalid."""
    own_jwks = jwks = ""
    if settings.auth == "keys":
        KeyRegistry(state).restore()
        own_key(state)
    if settings.auth == "jwt":
        own_jwks = str(write_own_jwks(state))
        if "://" not in settings.jwt_jwks:
            jwks = str(copied_jwks(Path(settings.jwt_jwks), state))
    return identity_of(settings, str(state.envoy_keys), own_jwks, jwks)


def copied_jwks(source: Path, state: StateFolder) -> Path:
    """Copy an issuer's keys to where Envoy's account can read them. Raises SettingInvalid."""
    setting = f"{PREFIX}JWT_JWKS"
    try:
        content = json.loads(source.read_text())
        valid = isinstance(content["keys"], list) and bool(content["keys"])
    except OSError as error:
        raise SettingInvalid(f"{setting}: {source} cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError):
        valid = False
    if not valid:
        raise SettingInvalid(f'{setting}: {source} must be a JSON object with a list of keys: {{"keys": [...]}}')
    path = state.envoy / "jwks.json"
    write_for_envoy(path, content)
    return path
