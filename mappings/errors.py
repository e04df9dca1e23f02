"""Errors named by what the caller does next; each carries one sentence, the next step and a documented exit code.

Two families. `GovliftError` ends a command. `ObjectError` is about one object in a copy: the engine decides on it and
goes on. SDK exceptions become one of these once, in `tasks/clients/errors.py`, and nowhere else.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line (README, "Exit codes")."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    FINDINGS = 3
    PARTIAL_COPY = 4
    MISMATCH = 5
    ACCESS = 6
    TRY_LATER = 7
    RESUMABLE = 8
    REFUSED = 9


class GovliftError(Exception):
    """Ends a command with one clear sentence and the next step.

    Args:
        sentence: what is wrong, with the offending value, in one sentence. Never a secret or a SAS.
        next_step: what the reader does now, in the imperative.
    """

    exit_code: ExitCode = ExitCode.UNEXPECTED
    code: str = ""
    """The service's own code (`AuthorizationFailed`, `AADSTS700016`, ...), "" where no service said anything."""
    status: int = 0
    """HTTP status, 0 where no answer came."""

    def __init__(self, sentence: str, *, next_step: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        # Prefect pickles exceptions; the keyword-only argument would be lost by the default protocol.
        told = {"code": self.code, "status": self.status}
        return (_rebuild, (type(self), self.sentence, self.next_step), told)


def _rebuild(kind: type[GovliftError], sentence: str, next_step: str) -> GovliftError:
    return kind(sentence, next_step=next_step)


class FixTheInput(GovliftError):
    """A file, option or name is wrong: the caller corrects it and runs again."""

    exit_code = ExitCode.USAGE


class ReviewFindings(GovliftError):
    """Blockers or gaps exist: somebody reads them before the next stage."""

    exit_code = ExitCode.FINDINGS


class RetryTheRest(GovliftError):
    """Some objects were not copied: run again, only those are tried."""

    exit_code = ExitCode.PARTIAL_COPY


class DoNotTrust(GovliftError):
    """What the target holds is not what the source held: stop and look."""

    exit_code = ExitCode.MISMATCH


class GrantAccess(GovliftError):
    """The identity was refused: fix the secret, the tenant or the role."""

    exit_code = ExitCode.ACCESS


class TryLater(GovliftError):
    """The other side was throttling, slow or unreachable: run again later."""

    exit_code = ExitCode.TRY_LATER


class ResumeLater(GovliftError):
    """The run was interrupted in a state from which the same command goes on."""

    exit_code = ExitCode.RESUMABLE


class AskForApproval(GovliftError):
    """A policy, gate or identity check refused: nothing was written."""

    exit_code = ExitCode.REFUSED


class ObjectError(Exception):
    """About one object (or one request for it); never ends a run by itself.

    Args:
        sentence: what happened, without secrets.
        code: the service's `x-ms-error-code`, or "" where there is none.
        status: HTTP status, 0 where no answer came.
    """

    def __init__(self, sentence: str, *, code: str = "", status: int = 0) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.status = status


class ReplanObject(ObjectError):
    """The source no longer has the pinned generation (412 on a source condition): list it again, start over."""


class CompareTarget(ObjectError):
    """The target changed under us or has the object already (409, 412 on a target condition): compare, then decide."""


class SwitchRoute(ObjectError):
    """The target service cannot read the source (CannotVerifyCopySource and its kin): take the other route."""


class ObjectGone(ObjectError):
    """404: the object, container or account does not exist (any more)."""


class SlowDown(ObjectError):
    """429, 503 or a time-out after the client's own retries.

    Args:
        retry_after: seconds the service asked for, None where it did not say.
    """

    def __init__(self, sentence: str, *, code: str = "", status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(sentence, code=code, status=status)
        self.retry_after = retry_after


class ObjectRefused(ObjectError):
    """The service refuses this object for good (403, archived 409, bad name): recorded as failed, with the remedy."""


class Corrupted(ObjectError):
    """Bytes in transit or at rest do not match their checksum: send them again, and count it."""


def ends_command(wrong: ObjectError) -> GovliftError:
    """The error that ends a command for one about a single request that the command cannot go on without."""
    match wrong:
        case SlowDown():
            return TryLater(wrong.sentence, next_step="Run the same command again later; it goes on.")
        case _ if wrong.status in (401, 403):
            return GrantAccess(
                wrong.sentence,
                next_step="Give the identity the data role on the account (README, the first hour); a new role takes "
                "up to ten minutes to work. Then run the same command again; it goes on.",
            )
        case _:
            return RetryTheRest(
                wrong.sentence, next_step="Clear what the sentence names, then run the same command again."
            )
