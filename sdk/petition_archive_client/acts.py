"""The acts of a depositing client, each as the steps that do it: what is asked, and how its answer is read. Both clients run these."""

from __future__ import annotations

from petition_archive_client import answers, requests
from petition_archive_client.answers import CaseNumber, Receipt, Reply, proof_of, token_of
from petition_archive_client.assertion import client_assertion
from petition_archive_client.connection import Terms
from petition_archive_client.exchange import Steps, exchange
from petition_archive_client.requests import Case, Request
from petition_archive_client.tokens import Token

NOT_YET = "not-yet-published"


def deposit(terms: Terms, case: Case, idempotency_key: str | None) -> Steps[Receipt]:
    request = requests.deposit_request(case, idempotency_key)
    return answers.receipt_of((yield from _ask(terms, request)), CaseNumber.of(case))


def supplement(terms: Terms, case_id: str, base_version: int, items: Case, reason: str, idempotency_key: str | None) -> Steps[Receipt]:
    request = requests.supplement_request(case_id, base_version, items, reason, idempotency_key)
    return answers.version_receipt_of((yield from _ask(terms, request)), case_id, base_version)


def correct(terms: Terms, case_id: str, base_version: int, case: Case, reason: str, idempotency_key: str | None) -> Steps[Receipt]:
    request = requests.correction_request(case_id, base_version, case, reason, idempotency_key)
    return answers.version_receipt_of((yield from _ask(terms, request)), case_id, base_version)


def receipt(terms: Terms, entry_id: str) -> Steps[Receipt]:
    return answers.fetched_receipt_of((yield from _ask(terms, requests.receipt_request(entry_id))), entry_id)


def proof(terms: Terms, entry_id: str) -> Steps[bytes]:
    """Waits for the checkpoint that covers the entry."""
    request = requests.proof_request(entry_id)
    return proof_of((yield from exchange(terms, lambda: request, holding=NOT_YET)))


def token(terms: Terms) -> Steps[Token]:
    """With a new assertion for each attempt, since each is good for one use."""

    def make() -> Request:
        return requests.token_request(client_assertion(terms.key, terms.client, terms.audience, int(terms.now())))

    return token_of((yield from exchange(terms, make)))


def _ask(terms: Terms, request: Request) -> Steps[Reply]:
    return exchange(terms, lambda: request)
