"""`./tandem check`: the fast gate that a developer runs before each commit."""

import time

from tandem.cli.steps import Step, checkout, python, run_lanes

GOAL_SECONDS = 120.0  # once everything is built


def check() -> int:
    """Check form, types, architecture and the fast tests. Python and Rust run beside each other."""
    began = time.monotonic()
    python_lane = [
        Step("ruff format", python("-m", "ruff", "format", "--check", "--quiet", "src", "tests")),
        Step("ruff", python("-m", "ruff", "check", "--quiet", "src", "tests")),
        Step("mypy --strict", python("-m", "mypy", "--strict", "src/tandem")),
        Step(
            "fast tests (pytest)",
            python("-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"),
        ),
    ]
    if (checkout() / "src" / "tandem" / "_core.pyi").exists():
        stubs = Step("stubs of the core (stubtest)", python("-m", "mypy.stubtest", "tandem._core"))
        python_lane.insert(3, stubs)
    rust = ("--workspace", "--exclude", "tandem-py", "--locked")
    rust_lane = [
        Step("cargo fmt", ("cargo", "fmt", "--all", "--check")),
        Step(
            "cargo clippy",
            (
                "cargo",
                "clippy",
                "-q",
                "--workspace",
                "--all-targets",
                "--locked",
                "--",
                "-D",
                "warnings",
            ),
        ),
        Step("fast tests (cargo)", ("cargo", "test", "-q", *rust)),
    ]
    done = run_lanes([python_lane, rust_lane])
    failed = [d.step.name for d in done if d.status]
    took = time.monotonic() - began
    slow = f" (more than the goal of {GOAL_SECONDS:g} s)" if took > GOAL_SECONDS else ""
    print(f"{len(done) - len(failed)} of {len(done)} steps passed in {took:.0f} s{slow}")
    return 1 if failed else 0
