"""The settings `waf`: what the rules of all policies have in common."""

from typing import Literal

import pydantic

from callout.config.validate import Block


class Audit(Block):
    """Where the audit log goes: an entry for each request that the rules want told."""

    file: str | None = None
    """A file, to which all workers write. It may be rotated by its name."""
    stdout: bool = False
    """Whether entries go to standard output, too."""
    format: Literal["json", "native"] | None = None
    """`json`: a line each. `native`: ModSecurity's sections. None: as SecAuditLogFormat of the rule
    files says, and JSON without it."""
    show_secrets: bool = False
    """Whether values that look like secrets, and cookies, are shown. What rules mask by
    `sanitiseArg` and the like is masked in any case."""

    @pydantic.model_validator(mode="after")
    def _goes_somewhere(self) -> "Audit":
        if self.file is None and not self.stdout:
            raise ValueError("expected at least one of file, stdout: entries must go somewhere")
        return self


class Waf(Block):
    """Of the face `process`."""

    audit: Audit | None = None
    """None: there is no audit log, whatever rule files say."""
