"""What the auth service may do before it knows for whom: narrow functions, no role that sees all (Z1).

They run as the owner of the tables, so each says who may call it and tells as little as its purpose needs.
*Adopting* a user means that the rest of the transaction acts for that user, as if it had begun so; only a
transaction that acts for nobody can, and only on proof: a secret token, or an account that it made itself.

Nobody but these functions writes an address: a unique violation would tell a tenant who else has an account.
For the same reason those that look one up by address refuse a transaction that acts for somebody.
"""

from __future__ import annotations

from devmentor_models.auth.queries import mention_columns
from devmentor_models.kit.base import Base
from devmentor_models.kit.objects import declare
from devmentor_models.security.context import DEFINER, definer_function
from devmentor_models.security.declarations import Service

_AUTH = (Service.AUTH.role,)


def _only_for_nobody(name: str) -> str:
    """Return the statement that refuses everybody but the auth service on its own account."""
    return f"""IF devmentor.service() IS DISTINCT FROM 'auth' OR devmentor.user_id() IS NOT NULL THEN
        RAISE insufficient_privilege USING MESSAGE = '{name} is for the auth service, acting for nobody';
    END IF;"""


def _lock(user: str) -> str:
    """Return the statement that takes the lock of a user's tokens; `token_queries` takes the same."""
    return f"PERFORM pg_advisory_xact_lock(hashtextextended('auth.sessions:' || {user}, 0));"


#: As the index has it, which policies keep from others.
_HAS_ADDRESS = "WHERE u.email_key || '' = lower(normalize(p_email, NFC))"

_CREDENTIALS = f"""
CREATE FUNCTION auth.credentials(p_email text)
RETURNS TABLE (user_id uuid, password_hash text, is_active boolean) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    {_only_for_nobody("auth.credentials")}
    RETURN QUERY SELECT u.id, u.password_hash, u.is_active FROM auth.users u
                  {_HAS_ADDRESS};
END
$fn$
"""

_RECORD_LOGIN_FAILURE = f"""
CREATE FUNCTION auth.record_login_failure(
    p_email text, p_details jsonb, p_request_id text, p_ip_address inet, p_user_agent text
) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    {_only_for_nobody("auth.record_login_failure")}
    INSERT INTO auth.audit_log
        (event, user_id, actor_name, details, request_id, ip_address, user_agent)
    VALUES (
        'login_failed', (SELECT u.id FROM auth.users u {_HAS_ADDRESS}),
        devmentor.service(), p_details, p_request_id, p_ip_address, p_user_agent
    );
END
$fn$
"""

# A spent session still tells whose family is to be ended; the other kinds of token must be usable. Reading a
# session takes no lock: it would wait for every other transaction of the user.
_IDENTIFY = f"""
CREATE FUNCTION auth.identify(p_kind text, p_token_hash bytea) RETURNS uuid LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    me uuid := devmentor.user_id();
    found uuid;
BEGIN
    IF me IS NULL AND devmentor.service() IS DISTINCT FROM 'auth' THEN
        RAISE insufficient_privilege USING MESSAGE = 'auth.identify is for the auth service, or for a user';
    END IF;
    CASE p_kind
    WHEN 'session' THEN
        SELECT s.user_id INTO found FROM auth.user_sessions s WHERE s.token_hash = p_token_hash;
    WHEN 'live_session' THEN
        SELECT s.user_id INTO found FROM auth.user_sessions s
         WHERE s.token_hash = p_token_hash AND s.rotated_at IS NULL AND s.revoked_at IS NULL
           AND s.expires_at > now();
    WHEN 'password_reset' THEN
        SELECT r.user_id INTO found FROM auth.password_resets r
         WHERE r.token_hash = p_token_hash AND r.used_at IS NULL AND r.expires_at > now();
    END CASE;
    IF found IS NULL OR me <> found THEN
        RETURN NULL;
    END IF;
    IF p_kind <> 'live_session' THEN
        {_lock("found")}
    END IF;
    PERFORM devmentor.adopt(found);
    RETURN found;
END
$fn$
"""

_REGISTER = f"""
CREATE FUNCTION auth.register(
    p_id uuid, p_email text, p_username text, p_password_hash text, p_metadata jsonb
) RETURNS void LANGUAGE plpgsql {DEFINER} AS $fn$
BEGIN
    {_only_for_nobody("auth.register")}
    INSERT INTO auth.users (id, email, username, password_hash, metadata)
    VALUES (p_id, p_email, p_username, p_password_hash, p_metadata);
    PERFORM devmentor.adopt(p_id);
END
$fn$
"""

# Whoever read the mail may learn that the address belongs to another account by now. What else was mailed to
# the user is void, or an older mail could bring an older address back.
_CONFIRM_EMAIL = f"""
CREATE FUNCTION auth.confirm_email(p_token_hash bytea, OUT confirmed_id uuid, OUT is_new boolean)
LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    owner_id uuid;
    present text;
    proven text;
BEGIN
    {_only_for_nobody("auth.confirm_email")}
    SELECT v.user_id INTO owner_id FROM auth.email_verifications v WHERE v.token_hash = p_token_hash;
    IF owner_id IS NULL THEN
        RETURN;
    END IF;
    {_lock("owner_id")}
    SELECT v.email INTO proven FROM auth.email_verifications v
     WHERE v.token_hash = p_token_hash AND v.used_at IS NULL AND v.expires_at > now() FOR UPDATE;
    SELECT u.email INTO present FROM auth.users u WHERE u.id = owner_id AND u.is_active FOR UPDATE;
    IF proven IS NULL OR present IS NULL THEN
        RETURN;
    END IF;
    UPDATE auth.email_verifications SET used_at = now() WHERE user_id = owner_id AND used_at IS NULL;
    UPDATE auth.users SET email = proven, email_verified_at =
           CASE WHEN email = proven THEN coalesce(email_verified_at, now()) ELSE now() END
     WHERE id = owner_id;
    PERFORM devmentor.adopt(owner_id);
    confirmed_id := owner_id;
    is_new := present <> proven;
END
$fn$
"""

_ACCOUNTS = f"""
CREATE FUNCTION auth.accounts(p_role auth.user_role, p_is_active boolean, p_before uuid, p_limit integer)
RETURNS TABLE (
    id uuid, email text, username text, role auth.user_role, is_active boolean,
    email_verified_at timestamptz, last_login_at timestamptz, created_at timestamptz
) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    IF NOT EXISTS (
        SELECT FROM auth.users a
         WHERE a.id = devmentor.user_id() AND a.is_active AND a.role IN ('admin', 'superadmin')
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'auth.accounts is for active administrators';
    END IF;
    RETURN QUERY
        SELECT u.id, u.email::text, u.username::text, u.role, u.is_active,
               u.email_verified_at, u.last_login_at, u.created_at
          FROM auth.users u
         WHERE (p_role IS NULL OR u.role = p_role) AND (p_is_active IS NULL OR u.is_active = p_is_active)
           AND (p_before IS NULL OR u.id < p_before)
         ORDER BY u.id DESC LIMIT p_limit;
END
$fn$
"""

_CHANGE_ROLE = f"""
CREATE FUNCTION auth.change_role(p_user_id uuid, p_role auth.user_role) RETURNS auth.user_role
LANGUAGE plpgsql {DEFINER} AS $fn$
DECLARE
    before auth.user_role;
BEGIN
    IF NOT EXISTS (
        SELECT FROM auth.users a
         WHERE a.id = devmentor.user_id() AND a.is_active AND a.role = 'superadmin'
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = 'auth.change_role is for active superadmins';
    END IF;
    SELECT u.role INTO before FROM auth.users u WHERE u.id = p_user_id FOR NO KEY UPDATE;
    UPDATE auth.users SET role = p_role WHERE id = p_user_id AND role <> p_role;
    RETURN before;
END
$fn$
"""

_ONLY_FOR_SOMEBODY = """IF devmentor.user_id() IS NULL AND devmentor.service() IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'names are looked up by users and services';
    END IF;"""

_USERNAMES = f"""
CREATE FUNCTION auth.usernames(p_ids uuid[])
RETURNS TABLE (id uuid, username text) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    {_ONLY_FOR_SOMEBODY}
    RETURN QUERY SELECT u.id, u.username::text FROM auth.users u WHERE u.id = ANY (p_ids);
END
$fn$
"""

_FIND_USER_ID = f"""
CREATE FUNCTION auth.find_user_id(p_username text) RETURNS uuid LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
BEGIN
    {_ONLY_FOR_SOMEBODY}
    RETURN (SELECT u.id FROM auth.users u WHERE u.username_key = lower(normalize(p_username, NFC)));
END
$fn$
"""


def _mentions() -> str:
    """Return the function that gives a user the rows of others that name the user; of those only the keys.

    Made from the metadata: `queries.mention_columns` says which columns are given out.
    """
    found = "\n        UNION ALL ".join(
        f"SELECT '{table.fullname}.{name}', jsonb_build_object("
        + ", ".join(f"'{column.name}', t.{column.name}" for column in columns)
        + f") FROM {table.fullname} t WHERE t.{name} = me AND t.user_id IS DISTINCT FROM me"
        for table, name, columns in mention_columns()
    )
    return f"""
CREATE FUNCTION auth.mentions()
RETURNS TABLE (place text, mention jsonb) LANGUAGE plpgsql STABLE {DEFINER} AS $fn$
DECLARE
    me uuid := devmentor.user_id();
BEGIN
    RETURN QUERY
        {found};
END
$fn$
"""


def declare_auth_functions() -> None:
    """Declare the functions, and which services may call them; call it when every table is known."""
    names = (*_AUTH, Service.PROJECTS.role)
    for sql, arguments, roles, comment, why in (
        (
            _CREDENTIALS,
            "text",
            _AUTH,
            "What the password of an address is checked against",
            "refuses whoever acts for a user; shows one account, to the service that checks its password",
        ),
        (
            _RECORD_LOGIN_FAILURE,
            "text, jsonb, text, inet, text",
            _AUTH,
            "Logs a failed login for whoever has the address",
            "refuses whoever acts for a user, and returns nothing",
        ),
        (
            _IDENTIFY,
            "text, bytea",
            _AUTH,
            "Whose token this is; the transaction acts for that user from now on",
            "answers only to the digest of a secret token, and a user only about their own",
        ),
        (
            _REGISTER,
            "uuid, text, text, text, jsonb",
            _AUTH,
            "Makes an account; the transaction acts for that user from now on",
            "refuses whoever acts for a user, before any unique index is touched",
        ),
        (
            _CONFIRM_EMAIL,
            "bytea",
            _AUTH,
            "Gives a user the address that a mailed token proves",
            "answers only to the digest of a secret token, which proves the mailbox",
        ),
        (
            _ACCOUNTS,
            "auth.user_role, boolean, uuid, integer",
            _AUTH,
            "Accounts without secrets, for administrators, the newest first",
            "refuses whoever is no active administrator",
        ),
        (
            _CHANGE_ROLE,
            "uuid, auth.user_role",
            _AUTH,
            "Gives an account another role, for superadmins; returns the one before",
            "refuses whoever is no active superadmin; returns only the role of the account",
        ),
        (
            _USERNAMES,
            "uuid[]",
            names,
            "Public names of users",
            "names are public; shows nothing but those of ids that the caller has",
        ),
        (_FIND_USER_ID, "text", names, "Who has a public name", "names are public; shows nothing but an id"),
        (
            _mentions(),
            "",
            _AUTH,
            "Rows of others that name the acting user: their keys, times and closed sets",
            "shows rows that name the acting user, without what others wrote in them",
        ),
    ):
        declare(
            Base.metadata, *definer_function(sql, arguments=arguments, to=roles, comment=comment, why=why)
        )
