import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from accounts import somebody

from stack.machine.paths import default_cache
from stack.machine.state_folder import temporary_home
from stack.prepare import prepare

ROOT_WITH_SETPRIV = os.geteuid() == 0 and shutil.which("setpriv") is not None


def as_user(uid: int, gid: int) -> list[str]:
    # The capability to read stands for a Python that everybody can reach; root's own may be closed to others.
    read = "+dac_read_search"
    user = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    return ["setpriv", *user, f"--inh-caps={read}", f"--ambient-caps={read}"]


# In short: cli/local/test_lifecycle.py.
@pytest.mark.long
@pytest.mark.skipif(not ROOT_WITH_SETPRIV, reason="only root can play another person, with setpriv")
def test_an_unprivileged_user_runs_the_whole_stack() -> None:
    prepare()
    person = somebody()
    with temporary_home() as home:
        os.chown(home, person.uid, person.gid)
        env = {
            "PATH": os.environ["PATH"],
            "ORDERMESH_HOME": str(home),
            "XDG_CACHE_HOME": str(default_cache().parent),
            "TMPDIR": "/tmp",
        }
        argv = [*as_user(person.uid, person.gid), sys.executable, str(Path(__file__).with_name("as_person.py"))]
        done = subprocess.run(argv, cwd="/", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(person.uid), "200"]
