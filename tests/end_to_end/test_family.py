"""What tests start ends with them, even when they are killed."""

import os
import signal
import subprocess
import sys
import textwrap

from tests.end_to_end import family
from tests.end_to_end.conftest import ROOT, until
from tests.end_to_end.serve import alive

# As a restart does it: whoever was started is gone, and has left another one behind.
STARTS = textwrap.dedent(
    """
    import os, subprocess, sys, time
    from tests.end_to_end import family
    orphan = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    environ = {**os.environ, family.VARIABLE: family.word()}
    subprocess.run([sys.executable, "-c", orphan], env=environ)
    time.sleep(60)
    """
)


def test_a_process_that_nobody_is_the_parent_of_ends_when_its_tests_are_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTS], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        orphan = int(tests.stdout.readline())
        assert alive(orphan)
        tests.send_signal(signal.SIGKILL)
    until(lambda: not alive(orphan))


def test_only_the_family_is_ended() -> None:
    words = family.word(), family.word()
    ours, others = (
        subprocess.Popen(["sleep", "60"], env={**os.environ, family.VARIABLE: each})
        for each in words
    )
    try:
        family.kill(words[0])
        assert ours.wait(5) == -signal.SIGKILL
        assert others.poll() is None
    finally:
        others.kill()
        others.wait()
