"""Which schema this release knows, told without loading Alembic."""

from __future__ import annotations

from pathlib import Path

from knopka.db.session import WrongSchema

MIGRATIONS = Path(__file__).parent / "migrations"


def list_revisions() -> list[str]:
    """Every revision, oldest first: a file is named by its revision and what it does."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def check_revision(found: str | None) -> None:
    """Refuse tables that are not those of this release."""
    known = list_revisions()
    if found == known[-1]:
        return
    if found is None:
        raise WrongSchema("the database has no tables of knopka yet: run knopka migrate")
    if found in known:
        raise WrongSchema(
            f"the database is at revision {found}, this release needs {known[-1]}: run knopka migrate"
        )
    raise WrongSchema(
        f"the database is at revision {found}, which this release does not know (it ends at {known[-1]}): "
        "start the newer release that wrote it, or restore the backup made before its migration"
    )
