"""What the documents say of the project is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config import Config

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_test_named_in_the_table_of_features_exists() -> None:
    rows = re.findall(r"^\|.*\|$", (ROOT / "docs/features.md").read_text(), re.MULTILINE)[2:]
    for row in rows:
        for file, _, name in re.findall(r"`(tests/[\w/.]+\.py)(::(\w+))?`", row):
            path = ROOT / file
            assert path.is_file(), row
            assert not name or f"def {name}(" in path.read_text(), row
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert len(cells) == 5
        assert all(cells), f"a blank in: {row}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]*)?\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_version_is_in_the_changelog_or_unreleased() -> None:
    version = re.search(r'"(.+)"', (ROOT / "gateway/__init__.py").read_text())
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert version
    assert "## Unreleased" in changelog or f"## {version[1]}" in changelog


def test_every_variable_in_the_documents_is_one_the_program_reads() -> None:
    known = set(re.findall(r"LIVEGATE_[A-Z_]+", (ROOT / ".env.example").read_text()))
    for document in DOCUMENTS:
        named = set(re.findall(r"LIVEGATE_[A-Z_]+", document.read_text()))
        assert named <= known, document.name


def test_the_help_of_serve_names_the_variables_of_the_credentials() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "gateway", "serve", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    ).stdout
    example = (ROOT / ".env.example").read_text()
    for variable in re.findall(r"^# (G[A-Z_]+)=", example, re.MULTILINE):
        assert variable in shown, variable


def test_the_https_command_of_the_readme_starts_without_a_key(tmp_path: Path) -> None:
    (command,) = re.findall(r'ARGS="(.*--tls-cert.*)"', (ROOT / "README.md").read_text())
    options = dict(re.findall(r"--(\S+)(?: ([^-]\S*))?", command))
    for name in ("tls-cert", "tls-key"):
        file = tmp_path / options[name]
        file.touch()
        options[name] = str(file)
    values = {name.replace("-", "_"): value or True for name, value in options.items()}
    config = Config.from_env({}, **values)
    assert (config.live.url, config.http.scheme) == ("local", "https")


def test_locks_name_no_host() -> None:
    for lock in [*(ROOT / "requirements").glob("*.txt"), ROOT / "package-lock.json"]:
        text = lock.read_text()
        assert "index-url" not in text
        assert '"resolved"' not in text
        assert "find-links" not in text


def test_reasons_and_codes_of_the_program_are_in_the_protocol() -> None:
    protocol = (ROOT / "docs/protocol.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "gateway").glob("*.py"))
    reasons = re.findall(r'^    [A-Z_]+ = "(\w+)"$', source, re.MULTILINE)
    codes = re.findall(r'code="(\w+)"|code = "(live_\w+)"|"(message_too_large)"', source)
    words = {*reasons, *("".join(code) for code in codes)} - {"live_error"}
    assert len(words) > 15
    for word in words:
        assert f"`{word}`" in protocol, word


def test_the_makefile_explains_every_target_it_lists() -> None:
    listed = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in ("run", "test", "check", "format", "bench", "clean"):
        assert re.search(rf"make {target}\s+\w", listed), target
