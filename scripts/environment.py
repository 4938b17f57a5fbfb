"""Sets the virtual environment up, and makes it anew when it is broken; run by every make target.

    python3 scripts/environment.py .venv requirements.txt [requirements-dev.txt]

It takes a tenth of a second when nothing is to be done. Its syntax is old on purpose: a Python that
is too old must get as far as the words that say so.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

NEEDED = (3, 11)
INTERRUPTED = 130
STOPPED = "Stopped. The next make goes on from here."
PATIENCE_S = 60  # for a Python that is asked what it has
# What a virtual environment consists of; a folder that holds anything else is somebody's.
PARTS = {"bin", "include", "lib", "lib64", "share", "etc", "pyvenv.cfg", ".gitignore"}
BEGUN = ".installing"  # there while pip is at work: whoever finds it knows that it did not end well
STAMPS = {"requirements.txt": ".runtime", "requirements-dev.txt": ".dev"}

PROBE = """
import json, sys
from importlib import metadata
from pip._vendor.packaging.requirements import Requirement
lacking = []
for file in sys.argv[1:]:
    for line in open(file, encoding="utf-8"):
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            lacking.append(wanted.name)
        else:
            if found.files is None:
                lacking.append(wanted.name)
print(json.dumps({"version": sys.version_info[:2], "lacking": lacking}))
"""


def say(text):  # noqa: ANN001, ANN201 - old syntax
    """Tell whoever watches."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def python_of(venv):  # noqa: ANN001, ANN201
    """Return the environment's Python."""
    return os.path.join(venv, "bin", "python")  # noqa: PTH118


def look(venv, files):  # noqa: ANN001, ANN201
    """Return what is wrong with an environment, if that is mended by a new one, and what it lacks.

    Both are empty when all is well.
    """
    if not os.path.lexists(venv):
        return "is not there", []
    if not os.path.lexists(python_of(venv)):
        return "has no Python", []
    if os.path.exists(os.path.join(venv, BEGUN)):  # noqa: PTH110, PTH118
        return "was not finished: an installation was interrupted", []
    try:
        process = subprocess.Popen(  # noqa: S603 - the environment's own Python
            [python_of(venv), "-I", "-c", PROBE] + files,  # noqa: RUF005
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            told, complaint = process.communicate(timeout=PATIENCE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    except (OSError, subprocess.TimeoutExpired):
        return "has a Python that does not run (was the system's Python upgraded?)", []
    try:
        found = json.loads(told.decode())
    except ValueError:
        lines = complaint.decode("utf-8", "replace").strip().splitlines()
        return "is broken: " + (lines[-1] if lines else "its Python says nothing"), []
    if tuple(found["version"]) < NEEDED:
        return "was made with a Python that is too old", []
    return "", found["lacking"]


def remove(venv):  # noqa: ANN001, ANN201
    """Remove a broken environment; exits when the folder is no environment of ours."""
    if os.path.islink(venv):  # noqa: PTH114
        os.unlink(venv)  # noqa: PTH108 - what it leads to may be another's
        return
    if not os.path.isdir(venv):  # noqa: PTH112
        if os.path.lexists(venv):
            sys.exit(venv + " is no folder; move it away, or name another one: make VENV=...")
        return
    strange = set(os.listdir(venv)) - PARTS - set(STAMPS.values()) - {BEGUN}  # noqa: PTH208
    if strange and not os.path.exists(os.path.join(venv, "pyvenv.cfg")):  # noqa: PTH110, PTH118
        sys.exit(venv + " is no virtual environment; move it away, or name another: make VENV=...")
    shutil.rmtree(venv)


def run(command, failed):  # noqa: ANN001, ANN201
    """Run a command to its end; exits with ``failed`` when it went wrong."""
    try:
        # A group of its own: what it starts in turn can be ended with it, and nothing else is.
        process = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    except OSError as exc:
        sys.exit(command[0] + ": " + str(exc.strerror))
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code:
        sys.exit(failed)


def make(venv):  # noqa: ANN001, ANN201
    """Make an environment with nothing but pip."""
    try:
        run(
            [sys.executable, "-m", "venv", venv],
            "The environment could not be made. On Debian and Ubuntu: apt install python3-venv",
        )
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise


def stamp_of(venv, file):  # noqa: ANN001, ANN201
    """Return the file that is newer than the requirements it tells of when they are installed."""
    return os.path.join(venv, STAMPS.get(os.path.basename(file), "." + os.path.basename(file)))  # noqa: PTH118, PTH119


def fresh(venv, files):  # noqa: ANN001, ANN201
    """Whether the requirements were installed since they changed."""
    try:
        return all(
            os.path.getmtime(stamp_of(venv, file)) >= os.path.getmtime(file)  # noqa: PTH204
            for file in files
        )
    except OSError:
        return False


def install(venv, files):  # noqa: ANN001, ANN201
    """Install the requirements."""
    begun = os.path.join(venv, BEGUN)  # noqa: PTH118
    with open(begun, "w"):  # noqa: PTH123
        pass
    command = [python_of(venv), "-m", "pip", "install", "--quiet"]
    for file in files:
        command += ["--requirement", file]
    run(command, "The packages could not be installed; the reason stands above.")
    for file in files:
        with open(stamp_of(venv, file), "w"):  # noqa: PTH123
            pass
    os.unlink(begun)  # noqa: PTH108


def main(arguments):  # noqa: ANN001, ANN201
    """Bring the environment into order; exits with a sentence when that cannot be done."""
    if sys.version_info < NEEDED:
        sys.exit(
            "Python 3.11 or newer is needed, and this is Python "
            + ".".join(str(number) for number in sys.version_info[:3])
            + ": make PYTHON=python3.11 ..."
        )
    venv, files = arguments[0], arguments[1:]
    wrong, lacking = look(venv, files)
    if wrong:
        there = os.path.lexists(venv)
        remove(venv)
        if there:
            say(venv + " " + wrong + ". It is made anew.")
        else:
            say("Setting up " + venv + " (once, about a minute)")
        make(venv)
    elif not lacking and fresh(venv, files):
        return
    elif lacking:
        say("Installing what " + venv + " lacks: " + ", ".join(lacking))
    install(venv, files)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write(STOPPED + "\n")
        sys.exit(INTERRUPTED)
