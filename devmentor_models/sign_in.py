# Generated from sign_in_async.py by `python devmentor_models/_sync.py`. Do not edit.
"""Signing in with a password: the flow around the repositories (requirements F2, S2).

A password is checked between two transactions, never within one: it takes a good part of a tenth of a second,
in which strangers would hold connections of the pool.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from devmentor_models.auth.repositories import Credentials, OpenedSession
from devmentor_models.auth.sessions import DEFAULT_LIFETIME
from devmentor_models.database import Database
from devmentor_models.errors import NotFound, SignInFailed
from devmentor_models.kit.passwords import (
    BCRYPT_COST,
    PasswordCheck,
    hash_password,
    verify_password,
)
from devmentor_models.security.actor import Actor
from devmentor_models.transaction import Transaction

# A second look, since another login may have renewed the hash meanwhile; that happens once.
_LOOKS = 2


def sign_in(
    database: Database,
    email: str,
    password: str,
    *,
    actor: Actor,
    lifetime: timedelta = DEFAULT_LIFETIME,
    bcrypt_cost: int = BCRYPT_COST,
) -> OpenedSession:
    """Check a password and open a session; log the login, or that it failed (F2, S2).

    A hash that is outdated is replaced by one of the same password. Whether there is such an account shows
    neither in the error nor in the time that it takes; `kit.passwords` tells how.

    Each attempt is work for the processor, so limit them before this is called, by client and by address.

    Args:
        database: Where the account is. No connection is held while the password is checked.
        email: The address, in whatever case and Unicode form.
        password: What the user typed.
        actor: The auth service, acting for nobody, with the client's address and software, for the trail and
            the session.
        lifetime: How long the session's token can be used; positive, at most ten years.
        bcrypt_cost: Cost of the hashes of an older system, if there are any.

    Raises:
        SignInFailed: The address or the password is wrong, or the account inactive. The failure was logged.
        InvalidValue: No address, or no password, can look like that; nothing was logged.
        ConfigurationError: The account has a hash of bcrypt, and the extra ``bcrypt`` is not installed.
    """
    reason = ""
    for _ in range(_LOOKS):
        look = database._run_single  # noqa: SLF001 - nobody else may send one statement alone
        account = look(lambda tx: tx.users.find_credentials(email), actor=actor)
        stored = None if account is None else account.password_hash
        check = verify_password(password, stored, bcrypt_cost=bcrypt_cost)
        if account is None or not check or not account.is_active:
            reason = _reason(account, check)
            break
        # No minimum: the password was good enough when it was chosen.
        fresh = hash_password(password, at_least=1) if check.outdated else None
        admit = partial(_admit, account=account, fresh=fresh, lifetime=lifetime)
        try:
            return database.run(admit, actor=replace(actor, user_id=account.user_id))
        except NotFound:
            reason = "account changed meanwhile"
    database.run(lambda tx: tx.sessions.record_failure(email, reason=reason), actor=actor)
    raise SignInFailed


def _admit(tx: Transaction, *, account: Credentials, fresh: str | None, lifetime: timedelta) -> OpenedSession:
    """Open the session, provided that the account still is as it was checked.

    Raises:
        NotFound: It is not.
    """
    current = account.password_hash
    tx.users.record_login(account.user_id)
    if fresh is not None and tx.users.renew_hash(account.user_id, old_hash=current, new_hash=fresh):
        current = fresh
    return tx.sessions.open(account.user_id, password_hash=current, lifetime=lifetime)


def _reason(account: Credentials | None, check: PasswordCheck) -> str:
    """Say why a login failed, for the audit trail only."""
    if account is None:
        return "unknown address"
    if not check.usable:
        return "no usable password hash"
    return "inactive account" if check else "wrong password"
