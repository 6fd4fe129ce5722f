"""Every action of the catalog is proven: a test does it as people do, over HTTP, and reads its entry in the log."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sendero.actions import catalog

_HERE = Path(__file__).parent
_SOURCE = _HERE.parent

_PROOFS = {
    "account.created": "test_sendero_accounts.py::TestConnecting::test_a_second_number",
    "account.updated": "test_sendero_accounts.py::TestDefaults::test_a_new_default_takes_over",
    "account.deleted": "test_sendero_accounts.py::TestDeleting::test_deleting",
    "account.token_rotated": "test_sendero_accounts.py::TestTesting::test_a_token_that_is_lost",
    "account.status_changed": "test_sendero_told.py::TestAccounts::test_status",
    "account.quality_changed": "test_sendero_told.py::TestAccounts::test_red_and_back",
    "account.notice_refused": "test_sendero_inbound.py::TestForged::test_a_wrong_signature",
    "workspace.limit_changed": "test_sendero_told.py::TestAccounts::test_the_limit_is_the_workspaces",
    "workspace.updated": "test_sendero_workspace.py::test_updating",
    "user.created": "test_sendero_people.py::TestInviting::test_from_the_invitation_to_the_first_page",
    "user.updated": "test_sendero_people.py::TestDetailsOfOthers::test_both_are_changed",
    "user.role_changed": "test_sendero_people.py::TestRoleOfAPerson::test_it_says_what_was_gained",
    "user.deactivated": "test_sendero_people.py::TestDeactivating::test_sessions_end_at_once",
    "user.reactivated": "test_sendero_people.py::TestDeactivating::test_and_letting_them_in_again",
    "template.created": "test_sendero_templates.py::TestTemplates::test_creating",
    "template.edited": "test_sendero_templates.py::TestTemplates::test_an_edit_goes_back_to_review",
    "template.deleted": "test_sendero_templates.py::TestTemplates::test_deleting",
    "template.status_changed": "test_sendero_simulator.py::TestPanel::test_pausing_until_it_is_disabled",
    "template.category_changed": "test_sendero_told.py::TestTemplates::test_category_and_quality",
    "campaign.created": "test_sendero_campaigns.py::TestActs::test_created",
    "campaign.updated": "test_sendero_campaigns.py::TestActs::test_updated",
    "campaign.started": "test_sendero_campaigns.py::TestActs::test_started",
    "campaign.paused": "test_sendero_campaigns.py::TestActs::test_paused",
    "campaign.resumed": "test_sendero_campaigns.py::TestActs::test_resumed",
    "campaign.cancelled": "test_sendero_campaigns.py::TestActs::test_cancelled",
    "campaign.completed": "test_sendero_campaigns.py::TestActs::test_completed",
    "campaign.failed": "test_sendero_campaigns.py::TestActs::test_failed",
    "campaign.deleted": "test_sendero_campaigns.py::TestActs::test_deleted",
    "segment.created": "test_sendero_segments.py::TestPages::test_created",
    "segment.updated": "test_sendero_segments.py::TestPages::test_updated",
    "segment.deleted": "test_sendero_segments.py::TestPages::test_deleted",
    "contact.created": "test_sendero_api.py::TestContacts::test_who_did_it",
    "contact.updated": "test_sendero_contacts.py::TestChanging::test_only_what_changed_is_recorded",
    "contact.deleted": "test_sendero_contacts.py::TestDeleting::test_the_reason_and_the_last_state_are_recorded",
    "contact.merged": "test_sendero_contacts.py::TestMerging::test_one_entry_says_who_survived_and_what_was_taken",
    "contact.emptied": "test_sendero_leaving.py::TestThirtyDaysLater::test_they_are_emptied",
    "contact.erased": "test_sendero_leaving.py::TestErasing::test_everything_goes_but_the_number",
    "contact.consent_changed": "test_sendero_contacts.py::TestConsent::test_it_has_its_own_entry",
    "contact.imported": "test_sendero_imports.py::TestImporting::test_created_updated_skipped_broken",
    "contact.exported": "test_sendero_leaving.py::TestExporting::test_what_was_searched_for",
    "role.created": "test_sendero_people.py::TestRoles::test_creating_changing_deleting",
    "role.updated": "test_sendero_people.py::TestRoles::test_creating_changing_deleting",
    "role.deleted": "test_sendero_people.py::TestRoles::test_creating_changing_deleting",
    "team.created": "test_sendero_teams.py::test_creating",
    "team.modified": "test_sendero_teams.py::test_modifying",
    "team.deleted": "test_sendero_teams.py::test_deleting",
    "webhook.created": "test_sendero_webhooks.py::TestPages::test_creating",
    "webhook.updated": "test_sendero_webhooks.py::TestPages::test_updating",
    "webhook.deleted": "test_sendero_webhooks.py::TestPages::test_deleting",
    "webhook.health_changed": "test_sendero_deliveries.py::TestDelivery::test_a_receiver_that_fails_and_comes_back",
    "sso.created": "test_sendero_sso.py::TestConnections::test_setting_up_changing_removing",
    "sso.updated": "test_sendero_sso.py::TestConnections::test_setting_up_changing_removing",
    "sso.deleted": "test_sendero_sso.py::TestConnections::test_setting_up_changing_removing",
    "auth.login": "test_sendero_auth.py::TestSigningIn::test_a_session_begins",
    "auth.sso_login": "test_sendero_sso.py::TestSigningIn::test_it_opens_a_session",
    "auth.logout": "test_sendero_auth.py::TestSessions::test_signing_out",
    "auth.password_changed": "test_sendero_auth.py::TestOwnPassword::test_other_sessions_end",
    "auth.login_failed": "test_sendero_people.py::TestDeactivating::test_sessions_end_at_once",
    "auth.session_revoked": "test_sendero_sessions.py::TestOwnSessions::test_one_is_ended",
    "api_key.created": "test_sendero_api_keys.py::TestPages::test_creating",
    "api_key.revoked": "test_sendero_api_keys.py::TestPages::test_revoking",
    "api_key.expired": "test_sendero_api_keys.py::TestLife::test_it_expires_once",
    "api_key.denied": "test_sendero_api_keys.py::TestDenied::test_a_revoked_one",
    "page.opened": "test_sendero_permissions.py::test_a_refusal_names_what_it_was_about",
    "audit.exported": "browser/test_exports.py::test_an_export_with_proofs_verifies_offline",
    "audit.retention_changed": "test_sendero_workspace.py::TestRetention::test_it_is_the_policy_of_the_log",
    "audit.hold_placed": "test_sendero_workspace.py::TestHolds::test_placing_and_releasing",
    "audit.hold_released": "test_sendero_workspace.py::TestHolds::test_placing_and_releasing",
}
"""Action → the test that does it in Sendero."""

_WHODIDS_OWN = {
    "audit.alert_acknowledged": "test_detect_alerts.py::test_who_looks_after_an_alert_is_an_entry",
    "audit.alert_raised": "test_detect_follower.py::test_each_alert_is_an_entry_that_names_its_cause",
    "audit.alert_resolved": "test_detect_alerts.py::test_what_an_alert_was_is_an_entry",
    "audit.alert_rule_changed": "test_detect_follower.py::test_a_failing_rule_is_disabled_and_reported",
    "audit.review_started": "test_server_reviews.py::test_who_may_not_manage_only_looks",
    "audit.review_signed": "test_server_reviews.py::test_a_signed_review_reads_like_a_report",
    "audit.viewer_opened": "test_server_api.py::test_opening_the_log_is_recorded_once_a_day",
    "audit.anchored": "test_anchor_log.py::test_one_entry_holds_the_heads_of_all",
    "audit.bound": "test_log_binding.py::test_many_segments_are_bound_by_themselves",
    "audit.stamped": "test_server_stamps.py::test_an_order_is_an_entry",
    "audit.asked": "test_compat_mcp.py::test_each_use_is_an_entry",
    "audit.purged": "browser/test_ninety_days_later.py::test_retention_removes_and_the_rest_verifies",
    "audit.erased": "test_retention_erasure.py::test_the_record_is_in_the_history_of_the_person_and_names_no_value",
    "audit.stream_changed": "test_sinks_settings.py::test_every_change_is_an_entry",
    "audit.stream_tested": "test_sinks_settings.py::test_a_test_is_an_entry",
    "audit.sealed": "test_log_sealing.py::test_a_day_is_sealed_after_it_is_over",
    "audit.capture_stopped": "test_capture_s07_sqlalchemy.py::test_off_is_an_entry",
    "audit.capture_resumed": "test_capture_s07_sqlalchemy.py::test_off_is_an_entry",
    "audit.events_dropped": "test_capture_s19.py::test_gap_counts_to_the_last_event",
    "auth.impersonation_started": "test_capture_action.py::TestImpersonation"
    "::test_both_are_named_and_beginning_and_end_are_entries",
    "auth.impersonation_ended": "test_capture_action.py::TestImpersonation"
    "::test_both_are_named_and_beginning_and_end_are_entries",
}
"""Action → the test of whodid that proves it: nobody does it in Sendero."""

_ONLY_DECLARED = {
    "audit.verify_failed",
}
"""Actions that have a name and a sentence, and that nothing records yet."""


@cache
def _tree(file: str) -> ast.Module:
    return ast.parse((_HERE / file).read_text(encoding="utf-8"))


def _scopes(test: str) -> list[ast.AST]:
    """Return a test, and the class that it is in.

    Raises:
        LookupError: There is no such test.
    """
    file, *names = test.split("::")
    found: list[ast.AST] = [_tree(file)]
    for name in names:
        body = getattr(found[-1], "body", [])
        inner = [one for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == name]
        if not inner:
            raise LookupError(f"{test} names a test that does not exist; name the one that proves the action now")
        found.append(inner[0])
    return found[1:]


def _names(scopes: list[ast.AST], action: str) -> bool:
    """Tell whether a text of a test or of its class is the action, or asks for it."""
    texts = (one.value for scope in scopes for one in ast.walk(scope) if isinstance(one, ast.Constant))
    said = re.compile(rf"(?<![\w.]){re.escape(action)}(?![\w.])")
    return any(said.search(text) for text in texts if isinstance(text, str))


def test_each_action_has_a_proof() -> None:
    """No more and no fewer than the catalog has, each in one place."""
    listed = [*_PROOFS, *_WHODIDS_OWN, *_ONLY_DECLARED]
    assert sorted(listed) == sorted(catalog())


@pytest.mark.parametrize("action", [*_PROOFS, *_WHODIDS_OWN])
def test_its_test_names_it(action: str) -> None:
    """The test exists and speaks of the action."""
    test = (_PROOFS | _WHODIDS_OWN)[action]
    assert _names(_scopes(test), action), f"{test} does not speak of {action}"


@pytest.mark.parametrize("file", sorted({test.partition("::")[0] for test in _PROOFS.values()}))
def test_it_is_done_over_http(file: str) -> None:
    """The tests of Sendero act on its application or in a browser, and do not record by themselves."""
    modules = {one.module for one in ast.walk(_tree(file)) if isinstance(one, ast.ImportFrom)}
    assert modules & {"tests.lumen", "tests.browser.workspace"}, file
    calls = [one.func for one in ast.walk(_tree(file)) if isinstance(one, ast.Call)]
    assert not [one for one in calls if isinstance(one, ast.Attribute) and one.attr == "record"], file


@pytest.mark.parametrize("action", sorted(_ONLY_DECLARED))
def test_what_is_only_declared_is_recorded_nowhere(action: str) -> None:
    """Whoever makes something record it names its proof above."""
    files = [path for top in ("src", "sendero") for path in (_SOURCE / top).rglob("*.py")]
    assert len(files) > 100
    said = [path for path in files if f'"{action}"' in path.read_text(encoding="utf-8") and "catalog" not in path.parts]
    assert said == []
