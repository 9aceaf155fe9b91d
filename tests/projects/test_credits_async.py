"""Credits: never negative, never spent twice, always in the ledger (requirement S8, traps 14 and 18)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text, update

from devmentor_models import Actor, AsyncDatabase
from devmentor_models.errors import CheckViolation, InsufficientCredits, InvalidValue, NotFound
from devmentor_models.projects.enums import ActivityAction
from devmentor_models.projects.models import CreditEntry, Project
from tests.support.concurrency_async import run_concurrently

pytestmark = pytest.mark.anyio

LEDGER = select(func.coalesce(func.sum(CreditEntry.amount), 0), func.count())


async def test_spend_and_grant_move_the_balance(async_database: AsyncDatabase, owner: UUID) -> None:
    """Balance, ledger and history agree, also on the object that was loaded before."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Rich", credits=10)
        spent = await tx.projects.spend_credits(project.id, 4, reason="review")
        granted = await tx.projects.grant_credits(project.id, 1, reason="refund")
        assert (spent.amount, spent.balance_after, spent.reason) == (-4, 6, "review")
        assert (granted.amount, granted.balance_after) == (1, 7)
        assert project.credits == 7
        entries = (await tx.projects.credit_history(project.id)).items
        assert [entry.amount for entry in entries] == [1, -4, 10]
        newest = (await tx.activity.timeline(project_id=project.id)).items[0]
        assert newest.action is ActivityAction.CREDITS_GRANTED
        assert newest.details == {"amount": 1, "balance": 7}
        await tx.projects.update(project.id, name="Still writable")


async def test_too_few_credits_spend_nothing(async_database: AsyncDatabase, owner: UUID) -> None:
    """InsufficientCredits leaves balance, ledger and transaction as they were."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Poor", credits=3)
        with pytest.raises(InsufficientCredits):
            await tx.projects.spend_credits(project.id, 4, reason="too much")
        assert (await tx.projects.spend_credits(project.id, 3, reason="all")).balance_after == 0
        assert len((await tx.projects.credit_history(project.id)).items) == 2


async def test_what_is_no_project_has_no_credits(async_database: AsyncDatabase, owner: UUID) -> None:
    """Unknown and deleted projects are NotFound, with and without a key."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Gone", credits=3)
        await tx.projects.soft_delete(project.id)
        for project_id in (project.id, uuid4()):
            for key in (None, "key"):
                with pytest.raises(NotFound):
                    await tx.projects.spend_credits(project_id, 1, reason="x", idempotency_key=key)


@pytest.mark.parametrize("amount", [0, -1, True, 1.5, "1", 2**31, float("nan")])
async def test_amounts_are_positive_whole_numbers(
    async_database: AsyncDatabase, owner: UUID, amount: Any
) -> None:
    """A negative spend would be a grant; NaN would pass a check for >= 0."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Checked", credits=3)
        for move in (tx.projects.spend_credits, tx.projects.grant_credits):
            with pytest.raises(InvalidValue, match="amount"):
                await move(project.id, amount, reason="x")
        with pytest.raises(InvalidValue, match="reason"):
            await tx.projects.spend_credits(project.id, 1, reason="x" * 201)


async def test_a_key_spends_once(async_database: AsyncDatabase, owner: UUID) -> None:
    """The same key returns the first entry, also when the credits are used up; another amount is refused."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Keyed", credits=3)
        first = await tx.projects.spend_credits(project.id, 3, reason="run", idempotency_key="k")
    async with async_database.begin(Actor.user(owner)) as tx:
        again = await tx.projects.spend_credits(project.id, 3, reason="run", idempotency_key="k")
        assert again.id == first.id
        with pytest.raises(InvalidValue, match="idempotency_key"):
            await tx.projects.spend_credits(project.id, 2, reason="run", idempotency_key="k")
        assert (await tx.projects.get(project.id)).credits == 0


async def test_fifty_spend_the_same_credits(async_database: AsyncDatabase, owner: UUID) -> None:
    """Trap 14: of 50 that spend 3 of 100 at once, exactly 33 succeed, and the ledger is the balance."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Contested", credits=100)

    async def spend() -> int:
        async with async_database.begin(Actor.user(owner)) as tx:
            return (await tx.projects.spend_credits(project.id, 3, reason="race")).balance_after

    outcomes = await run_concurrently([spend] * 50)
    balances = [outcome for outcome in outcomes if isinstance(outcome, int)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientCredits)]
    assert (len(balances), len(refused)) == (33, 17)
    assert sorted(balances) == list(range(1, 100, 3))
    async with async_database.begin(Actor.user(owner)) as tx:
        total, entries = (await tx.session.execute(LEDGER.where(CreditEntry.project_id == project.id))).one()
        assert (total, entries) == (1, 34)
        assert (await tx.projects.get(project.id)).credits == 1


async def test_one_key_spent_twenty_times_at_once(async_database: AsyncDatabase, owner: UUID) -> None:
    """All callers get the same entry, and the credits go once."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Retried", credits=100)

    async def spend() -> UUID:
        async with async_database.begin(Actor.user(owner)) as tx:
            entry = await tx.projects.spend_credits(project.id, 30, reason="retry", idempotency_key="once")
            return entry.id

    assert len(set(await run_concurrently([spend] * 20))) == 1
    async with async_database.begin(Actor.user(owner)) as tx:
        assert (await tx.projects.get(project.id)).credits == 70


async def test_the_database_refuses_negative_credits(async_database: AsyncDatabase, owner: UUID) -> None:
    """S8: also a statement that no repository has cannot go below zero."""
    async with async_database.begin(Actor.user(owner)) as tx:
        project = await tx.projects.create(name="Guarded", credits=1)
        with pytest.raises(CheckViolation) as caught:
            async with tx.savepoint():
                await tx.session.execute(
                    update(Project).where(Project.id == project.id).values(credits=text("credits - 2"))
                )
        assert caught.value.constraint == "ck_projects_credits_not_negative"
