"""Passwords: hashed with Argon2id; bcrypt hashes of an older system still fit (requirements F2, Z6).

Nothing here knows a database or writes a log, and no error quotes a password.

**Parameters.** The second recommended option of RFC 9106, §4: 64 MiB, three passes, four lanes. That is
above OWASP's minimum (19 MiB, two passes, one lane). The first option of the RFC takes 2 GiB for each login,
which a service cannot spend on strangers. At most `MAX_AT_ONCE` hashes are computed at a time: more would
take memory without being ready any sooner.

**Unicode.** As RFC 8265 (OpaqueString) has it: every kind of space becomes a plain one, then NFC. Keyboards
that send ``é`` as one or as two characters then agree. NFKC would go further and make different passwords
equal (``²`` and ``2``). bcrypt hashes are compared with what was typed, as the older system did.

**Time.** A password that does not fit takes as long whether the account exists or not: without a stored hash
the work is done on one that nothing fits. Where bcrypt is installed, every misfit costs one hash of each
kind, or accounts of the older system would stand out. So install the extra ``bcrypt`` for as long as there
are such hashes, and no longer. What still differs are hashes with other parameters than these, until their
users log in.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import error_to_str

from devmentor_models.errors import ConfigurationError, InvalidValue
from devmentor_models.kit.types import text_problem

#: NIST SP 800-63B-4 allows no less beside a second factor, and wants 15 without: a service may ask for more.
MIN_LENGTH = 8
#: Far above the 64 that NIST wants allowed; a longer text is no password, but an attempt to keep us busy.
MAX_LENGTH = 1024
#: The usual cost of the older system's hashes, used where no hash is stored to take it from.
BCRYPT_COST = 10
MAX_AT_ONCE = min(4, os.cpu_count() or 1)

_ARGON2 = argon2.PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16)
#: A hash that no known password has; it costs as much to try as a real one.
_NOBODYS = (
    f"$argon2id$v=19$m={_ARGON2.memory_cost},t={_ARGON2.time_cost},p={_ARGON2.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)
#: Failures of the machine rather than of the hash: no memory, no thread.
_OUT_OF_RESOURCES = {error_to_str(code) for code in (-22, -33)}
_BCRYPT_HASH = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
#: bcrypt looks at no more of a password.
_BCRYPT_BYTES = 72

_slots = threading.BoundedSemaphore(MAX_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCheck:
    """What became of a check. It is true where the password fits.

    Attributes:
        fits: The password is the one that was hashed.
        outdated: It fits, and should be hashed anew: the hash is bcrypt's, or has other parameters than ours.
        usable: The stored text is a hash at all; nothing ever fits one that is not.
    """

    fits: bool = False
    outdated: bool = False
    usable: bool = True

    def __bool__(self) -> bool:
        """Say whether the password fits, so that ``if verify_password(…)`` means what it says."""
        return self.fits


def hash_password(password: str, *, at_least: int = MIN_LENGTH) -> str:
    """Return a salted hash of a password, to be stored.

    It takes a good part of a tenth of a second and 64 MiB: call it before a transaction, not within one. In
    an event loop use `hash_password_async`.

    Args:
        password: What the user typed.
        at_least: How many characters it must have.

    Raises:
        InvalidValue: The password is too short, longer than 1,024 characters, or no valid text.
    """
    prepared = _prepared(_typed(password))
    if len(prepared) < at_least:
        raise InvalidValue("password", f"is shorter than {at_least} characters")
    with _slots:
        return _ARGON2.hash(prepared)


def verify_password(password: str, stored: str | None, *, bcrypt_cost: int = BCRYPT_COST) -> PasswordCheck:
    """Say whether a stored hash is that of a password, and whether to hash it anew.

    What is no hash of ours fits nothing; that is no error, since accounts without a password are marked so,
    and an error would tell strangers that the account exists. `PasswordCheck.usable` tells it to the service.

    Args:
        password: What the user typed.
        stored: The hash; None where there is no such account, to spend the same time on it.
        bcrypt_cost: Cost of the older system's hashes, for the time that accounts without such a hash take.

    Raises:
        InvalidValue: The password is empty, longer than 1,024 characters, or no valid text.
        ConfigurationError: The hash is bcrypt's, and the extra ``bcrypt`` is not installed.
    """
    typed = _typed(password)
    if stored and _BCRYPT_HASH.fullmatch(stored):
        if _bcrypt_fits(_bcrypt(), typed, stored):
            # Of a longer password only the beginning was proven; a slip in the rest must not become the hash.
            return PasswordCheck(fits=True, outdated=len(typed.encode()) <= _BCRYPT_BYTES)
        _argon2_fits(typed, _NOBODYS)
        return PasswordCheck()
    fits = _argon2_fits(typed, stored) if stored else None
    if stored and fits:
        return PasswordCheck(fits=True, outdated=_ARGON2.check_needs_rehash(stored))
    if fits is None:
        _argon2_fits(typed, _NOBODYS)
    if module := _find_bcrypt():
        _bcrypt_fits(module, typed, f"$2b${bcrypt_cost:02}${'.' * 53}")
    return PasswordCheck(usable=fits is not None)


async def hash_password_async(password: str, *, at_least: int = MIN_LENGTH) -> str:
    """Do `hash_password` in a thread, so that the event loop goes on."""
    work = partial(hash_password, password, at_least=at_least)
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), work)


async def verify_password_async(
    password: str, stored: str | None, *, bcrypt_cost: int = BCRYPT_COST
) -> PasswordCheck:
    """Do `verify_password` in a thread, so that the event loop goes on."""
    work = partial(verify_password, password, stored, bcrypt_cost=bcrypt_cost)
    return await asyncio.get_running_loop().run_in_executor(_threads(os.getpid()), work)


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Return the threads of a process; a forked one does not inherit them.

    Not asyncio's own: while strangers keep these busy, the others must be free to resolve host names.
    """
    return ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="devmentor-passwords")


def _typed(password: object) -> str:
    if not isinstance(password, str):
        raise InvalidValue("password", f"expects text, not {type(password).__name__}")
    if not password:
        raise InvalidValue("password", "is empty")
    if len(password) > MAX_LENGTH:
        raise InvalidValue("password", f"is longer than {MAX_LENGTH} characters")
    if problem := text_problem(password):
        raise InvalidValue("password", problem)
    return password


def _prepared(typed: str) -> str:
    """Return the form that is hashed (RFC 8265, OpaqueString)."""
    if typed.isascii():
        return typed
    spaced = (" " if unicodedata.category(character) == "Zs" else character for character in typed)
    return unicodedata.normalize("NFC", "".join(spaced))


def _argon2_fits(typed: str, stored: str) -> bool | None:
    """Compare in constant time; None if ``stored`` is no hash of Argon2."""
    if not stored.isascii():
        return None
    try:
        with _slots:
            return _ARGON2.verify(stored, _prepared(typed))
    except VerifyMismatchError:
        return False
    except InvalidHashError:
        return None
    except VerificationError as error:
        if str(error) in _OUT_OF_RESOURCES:
            raise
        return None


def _bcrypt_fits(module: ModuleType, typed: str, stored: str) -> bool:
    """Compare in constant time what bcrypt looks at; its newer releases refuse anything longer."""
    with _slots:
        fits: bool = module.checkpw(typed.encode()[:_BCRYPT_BYTES], stored.encode())
    return fits


def _find_bcrypt() -> ModuleType | None:
    try:
        import bcrypt  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return bcrypt


def _bcrypt() -> ModuleType:
    module = _find_bcrypt()
    if module is None:
        raise ConfigurationError("A stored password hash is bcrypt's: install devmentor-models[bcrypt].")
    return module
