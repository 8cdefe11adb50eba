"""Why a bundle is not used."""

from callout.config.problems import Problem


class BundleRefused(Exception):
    """A bundle that cannot be had or used; whoever asked for it catches this.

    Its text is safe to log and to report: names of files, never what is in them.
    """

    def __init__(
        self, message: str, *, http_code: int | None = None, errors: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.http_code = http_code
        """The service's answer, if it was that."""
        self.errors = errors
        """What is wrong with its Rego, each with its line."""

    @property
    def is_of_syntax(self) -> bool:
        """Whether its Rego cannot even be read: for OPA that is a download that failed."""
        return any(each.message.startswith("rego_parse_error") for each in self.errors)


class RequestFailed(BundleRefused):
    """The service did not answer, or not well: nothing came that could be used."""
